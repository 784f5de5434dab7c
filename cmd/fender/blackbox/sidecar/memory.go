package sidecar

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// PeakMemory is the most memory that the process ever had resident, in bytes. It is not known but where the kernel tells
// it in /proc.
func (p *Process) PeakMemory(t testing.TB) (bytes int, known bool) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	_, rest, known := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscanf(rest, "%d kB", &bytes); err != nil {
		return 0, false
	}
	return bytes << 10, known
}
