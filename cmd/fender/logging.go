package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"

	"github.com/fender-proxy/fender/proxy/config"
)

// newLogger returns a logger that writes to w as cfg says, which has been
// validated; times are RFC 3339.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	var level slog.Level
	// Valid after validation; otherwise info, which is the zero level.
	_ = level.UnmarshalText([]byte(cfg.Level))
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// A serverLog takes what an [http.Server] has to say. Nearly all of it is
// noise that any client can make, so it is worth debug; a panic or a listener
// that can't accept is ours.
type serverLog struct {
	logger *slog.Logger
	server string
}

// newServerLog returns a log for http.Server.ErrorLog.
func newServerLog(logger *slog.Logger, server string) *log.Logger {
	return log.New(serverLog{logger, server}, "", 0)
}

// Write logs one message of net/http.
func (l serverLog) Write(message []byte) (int, error) {
	level := slog.LevelDebug
	for _, ours := range []string{"http: panic", "http: Accept error"} {
		if bytes.HasPrefix(message, []byte(ours)) {
			level = slog.LevelError
		}
	}
	l.logger.Log(context.Background(), level, "server error",
		"server", l.server, "error", string(bytes.TrimSpace(message)))
	return len(message), nil
}
