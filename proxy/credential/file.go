package credential

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/fender-proxy/fender/proxy/config"
)

// recheck is how long a file is taken to be as it was.
const recheck = time.Second

var errEmpty = errors.New("the file is empty")

// file is a secret in a file, read again when the file changes. While a change
// cannot be read, the content before it holds. It is safe for concurrent use.
type file struct {
	path   string
	logger *slog.Logger

	mu      sync.Mutex
	checked time.Time
	info    os.FileInfo // of what was read last, or tried
	content string
	err     error // of the last try
}

func newFile(path string, l *slog.Logger) *file { return &file{path: path, logger: l} }

// read returns the content as it was at most age ago, without the blanks and
// line ends around it.
func (f *file) read(age time.Duration) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.checked.IsZero() || now.Sub(f.checked) >= age {
		f.checked = now
		f.refresh()
	}
	if f.content == "" {
		return "", f.err
	}
	return f.content, nil
}

// refresh reads the file if it is another than the one that was read.
func (f *file) refresh() {
	info, err := os.Stat(f.path)
	if err == nil && f.info != nil && f.err == nil && os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) && info.Size() == f.info.Size() {
		return
	}
	var content string
	if err == nil {
		content, err = readSecret(f.path)
	}
	switch {
	case err == nil && f.err != nil:
		f.logger.Info("credential", "file", f.path, "result", "read again")
	case err != nil && (f.err == nil || f.err.Error() != err.Error()):
		f.logger.Warn("credential", "file", f.path, "error", err)
	}
	if f.info, f.err = info, err; err == nil {
		f.content = content
	}
}

func readSecret(path string) (string, error) {
	b, err := config.ReadFile(path)
	if err != nil {
		return "", err
	}
	content := strings.TrimSpace(string(b))
	switch {
	case content == "":
		return "", errEmpty
	case strings.ContainsAny(content, "\r\n"):
		return "", errors.New("the file has more than one line")
	case strings.ContainsFunc(content, unicode.IsControl):
		return "", errors.New("the file has a control character")
	}
	return content, nil
}
