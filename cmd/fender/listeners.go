package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
)

// A listenFunc opens a TCP listener.
type listenFunc func(ctx context.Context, network, address string) (net.Listener, error)

// listenAll opens all addresses or none. An IPv6 loopback address beside others
// is left out where the machine has no IPv6: the built-in list has one.
func listenAll(ctx context.Context, listen listenFunc, addresses []string, logger *slog.Logger) ([]net.Listener, error) {
	var open []net.Listener
	for _, address := range addresses {
		listener, err := listen(ctx, "tcp", address)
		switch {
		case err == nil:
			open = append(open, listener)
		case len(addresses) > 1 && isLoopback6(address) && lacksIPv6(err):
			logger.Info("not listening: this machine has no IPv6", "addr", address)
		default:
			closeAll(open)
			return nil, fmt.Errorf("listen on %q: %w", address, errors.Unwrap(err))
		}
	}
	if len(open) == 0 {
		return nil, fmt.Errorf("none of the addresses %q can be listened on", addresses)
	}
	return open, nil
}

// isLoopback6 reports whether address is a port of ::1.
func isLoopback6(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip == netip.IPv6Loopback()
}

// lacksIPv6 reports whether err is what a machine without ::1 answers.
func lacksIPv6(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) ||
		errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EPROTONOSUPPORT)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}
