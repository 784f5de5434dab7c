package peers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

func TestNginx(t *testing.T) {
	peer := startNginx(t)
	p := start(t, peer.url, davRoutes)
	url := "http://" + p.Proxy + "/dir%20one/a%2Bb.json"
	record := `{"name":"Ada"}`

	steps := []struct {
		name, method, body string
		fields             []string
		status             int
		want               string
	}{
		{name: "PUT makes a file", method: "PUT", body: record, status: 201},
		{name: "PUT again replaces it", method: "PUT", body: record + "\n", status: 204},
		{name: "GET reads it", method: "GET", status: 200, want: record + "\n"},
		{name: "a range is a part of it", method: "GET", fields: []string{"Range", "bytes=2-5"}, status: 206, want: "name"},
		{name: "a range beyond it is none", method: "GET", fields: []string{"Range", "bytes=100-"}, status: 416},
		{name: "HEAD has its length alone", method: "HEAD", status: 200},
		{name: "a condition that fails is a 412", method: "GET", fields: []string{"If-Match", `"other"`}, status: 412},
		{name: "a method that nginx does not take is its own 405", method: "POST", body: "x", status: 405},
		{name: "DELETE removes it", method: "DELETE", status: 204},
		{name: "GET no longer finds it", method: "GET", status: 404},
	}
	for _, step := range steps {
		var body io.Reader
		if step.body != "" {
			body = strings.NewReader(step.body)
		}
		answer, content := ask(t, step.method, url, body, step.fields...)
		if answer.StatusCode != step.status {
			t.Errorf("%s: got status %d, want %d", step.name, answer.StatusCode, step.status)
		}
		if step.want != "" && string(content) != step.want {
			t.Errorf("%s: got %q, want %q", step.name, content, step.want)
		}
		if got := answer.Header.Get("Fender-Outcome"); got != "upstream" {
			t.Errorf("%s: got Fender-Outcome %q, want upstream", step.name, got)
		}
		if step.method == "HEAD" && answer.ContentLength != int64(len(record)+1) {
			t.Errorf("%s: got length %d, want %d", step.name, answer.ContentLength, len(record)+1)
		}
	}
	answer, _ := ask(t, "GET", "http://"+p.Proxy+"/", nil)
	if got := answer.Header.Get("Fender-Circuit"); got != "closed" {
		t.Errorf("got Fender-Circuit %q after answers that are no failures, want closed", got)
	}
}

func TestARevalidationIsPassedThrough(t *testing.T) {
	peer := startNginx(t)
	p := start(t, peer.url, davRoutes)
	if err := os.WriteFile(filepath.Join(peer.root, "a"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	answer, _ := ask(t, "GET", "http://"+p.Proxy+"/a", nil)
	tag := answer.Header.Get("ETag")
	answer, content := ask(t, "GET", "http://"+p.Proxy+"/a", nil, "If-None-Match", tag)
	if answer.StatusCode != http.StatusNotModified || len(content) > 0 || answer.Header.Get("ETag") != tag {
		t.Errorf("got status %d with %q and ETag %q, want 304 with none and %q", answer.StatusCode, content, answer.Header.Get("ETag"), tag)
	}
}

const (
	bulk   = 200 << 20 // bytes of the big files
	growth = 32 << 20  // bytes that the sidecar's memory may grow by meanwhile
)

// bytesOf is a stream of so many bytes, the same each time, that do not compress.
func bytesOf(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{1}), n) }

func digest(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// watch looks at the process's resident memory until the test has done its work, and returns what ends it: a function
// that gives the most bytes there were.
func watch(t *testing.T, p *sidecar.Process) (most func() float64) {
	t.Helper()
	stop, result := make(chan struct{}), make(chan float64)
	go func() {
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		var peak float64
		for {
			select {
			case <-ticker.C:
				peak = max(peak, p.Scrape(t).Sum("process_resident_memory_bytes"))
			case <-stop:
				result <- peak
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-result
	}
}

func TestBulkIsPassedOnWithMemoryFlat(t *testing.T) {
	peer := startNginx(t)
	p := start(t, peer.url, davRoutes)
	want := digest(t, bytesOf(bulk))
	url := "http://" + p.Proxy + "/bulk"
	// A first small exchange brings the process to its ordinary size.
	ask(t, "PUT", url, bytesOf(1<<20))
	ask(t, "GET", url, nil)
	before := p.Scrape(t).Sum("process_resident_memory_bytes")
	if before == 0 {
		t.Fatal("got no process_resident_memory_bytes, want it among the metrics")
	}

	most := watch(t, p)
	request, err := http.NewRequestWithContext(t.Context(), "PUT", url, bytesOf(bulk))
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = bulk
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("got status %d for the upload, want 204", answer.StatusCode)
	}
	file, err := os.Open(filepath.Join(peer.root, "bulk"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := digest(t, file); got != want {
		t.Errorf("got digest %s of what was uploaded, want %s", got, want)
	}

	answer, err = client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Content-Length"); got != strconv.Itoa(bulk) {
		t.Errorf("got Content-Length %q for the download, want %d", got, bulk)
	}
	if got := digest(t, answer.Body); got != want {
		t.Errorf("got digest %s of what was downloaded, want %s", got, want)
	}
	grown := most() - before
	t.Logf("memory grew by %.1f MiB from %.1f MiB", grown/(1<<20), before/(1<<20))
	if grown > growth {
		t.Errorf("got memory grown by %.0f bytes, want at most %d", grown, growth)
	}
}
