package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/fender-proxy/fender/proxy/config"
)

// withoutIPv6 listens like a machine without IPv6, which says so with errno.
func withoutIPv6(errno syscall.Errno) listenFunc {
	return func(ctx context.Context, network, address string) (net.Listener, error) {
		if strings.HasPrefix(address, "[") {
			return nil, &net.OpError{Op: "listen", Net: network, Err: os.NewSyscallError("bind", errno)}
		}
		return new(net.ListenConfig).Listen(ctx, network, address)
	}
}

func TestAnIPv6LoopbackBesideOthersIsLeftOutWithoutIPv6(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT} {
		var log bytes.Buffer
		logger := newLogger(&log, config.Log{Level: "info", Format: "text"})
		open, err := listenAll(t.Context(), withoutIPv6(errno), []string{"127.0.0.1:0", "[::1]:0"}, logger)
		if err != nil {
			t.Fatalf("%v: %v", errno, err)
		}
		closeAll(open)
		if got, want := len(open), 1; got != want {
			t.Errorf("%v: got %d listeners, want %d", errno, got, want)
		}
		if got, want := log.String(), "level=INFO"; !strings.Contains(got, want) || !strings.Contains(got, "addr=[::1]:0") {
			t.Errorf("%v: got log %q, want an info line with the address", errno, got)
		}
	}
}

func TestAnAddressThatCannotBeListenedOnIsAnError(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	for _, test := range []struct {
		name      string
		listen    listenFunc
		addresses []string
		want      string
	}{
		{"that is in use", new(net.ListenConfig).Listen, []string{"127.0.0.1:0", inUse}, `listen on "` + inUse + `": bind: address already in use`},
		{"of IPv6 alone without IPv6", withoutIPv6(syscall.EADDRNOTAVAIL), []string{"[::1]:0"}, `listen on "[::1]:0": bind: cannot assign requested address`},
		{"of IPv6 beyond loopback without IPv6", withoutIPv6(syscall.EADDRNOTAVAIL), []string{"127.0.0.1:0", "[2001:db8::1]:0"}, `listen on "[2001:db8::1]:0": bind: cannot assign requested address`},
		{"of IPv6 that is in use", withoutIPv6(syscall.EADDRINUSE), []string{"127.0.0.1:0", "[::1]:0"}, `listen on "[::1]:0": bind: address already in use`},
	} {
		t.Run("an address "+test.name, func(t *testing.T) {
			var opened []net.Listener
			listen := func(ctx context.Context, network, address string) (net.Listener, error) {
				l, err := test.listen(ctx, network, address)
				if err == nil {
					opened = append(opened, l)
				}
				return l, err
			}
			_, err := listenAll(t.Context(), listen, test.addresses, slog.New(slog.DiscardHandler))
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %s", err, test.want)
			}
			for _, l := range opened {
				if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s was left open", l.Addr())
				}
			}
		})
	}
}
