package peers_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fender-proxy/fender/cmd/fender/blackbox/sidecar"
)

// nginx serves a directory of its own to dav clients. It is given a socket that listens already, so that no other
// process can take its port and it answers from the first moment.
type nginx struct {
	url  string
	root string // the directory that it serves
}

func startNginx(t *testing.T) nginx {
	t.Helper()
	binary, err := findNginx()
	if err != nil {
		t.Fatalf("this case needs nginx with its dav module: install the Debian package nginx (apt-get install nginx): %v", err)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	socket, err := listener.File()
	listener.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, listener.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), "NGINX=3;")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		exit := &exec.ExitError{}
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Error(err)
		}
		if t.Failed() {
			said, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Logf("nginx said:\n%s", said)
		}
	})
	n := nginx{url: "http://" + listener.Addr().String(), root: root}
	sidecar.Await(t, "nginx answers", func() bool {
		answer, err := client.Get(n.url)
		if err != nil {
			return false
		}
		answer.Body.Close()
		return true
	})
	return n
}

// findNginx also looks where a daemon's binary is when it is not in an ordinary user's path.
func findNginx() (string, error) {
	binary, err := exec.LookPath("nginx")
	if err == nil {
		return binary, nil
	}
	return exec.LookPath("/usr/sbin/nginx")
}

const nginxConfig = `
daemon off;
user root;
worker_processes 1;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 0;
  default_type application/octet-stream;
  server {
    listen %s;
    root root;
    dav_methods PUT DELETE MKCOL COPY MOVE;
    create_full_put_path on;
  }
}
`

// davRoutes sends everything on, and reads answers as small as the built-in buffer whole.
const davRoutes = "  - {name: dav, upstream: peer, timeout: {request: 60s, attempt: 30s}, retry: {}, breaker: {}}\n"

// client changes nothing on the way, and waits for nothing longer than any case takes.
var client = &http.Client{
	Timeout:       time.Minute,
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ask makes one request and returns the answer with its body read.
func ask(t *testing.T, method, url string, body io.Reader, fields ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, content
}
