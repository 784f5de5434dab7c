package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// receive reads an answer that is to be held, so that one that is truncated,
// stalled or broken is a failed attempt and not a broken answer. It returns what
// it has read, and whether the answer streams from there: then the attempt ends
// at its head, and cancel is called when the body is closed.
func (t *Transport) receive(req *http.Request, resp *http.Response, stop func() bool, cancel context.CancelCauseFunc) (held []byte, streamed bool, err error) {
	if err := checkHead(req, resp); err != nil {
		_ = resp.Body.Close()
		return nil, false, err
	}
	if bodyless(req, resp) {
		err := resp.Body.Close()
		resp.Body = http.NoBody
		return nil, false, err
	}
	if t.holds(resp) {
		var whole bool
		held, whole, err = hold(resp.Body, resp.ContentLength, int64(t.Policy.Buffer), t.Memory)
		if err != nil {
			_ = resp.Body.Close()
			return nil, false, err
		}
		if whole {
			_ = resp.Body.Close()
			t.replaceBody(resp, held)
			return held, false, nil
		}
	}
	if !stop() {
		_ = resp.Body.Close()
		t.Memory.release(reserved(held))
		return nil, false, errAttempt
	}
	t.streamBody(resp, held, cancel)
	return held, true, nil
}

// checkHead refuses what net/http lets through but cannot be passed on.
func checkHead(req *http.Request, resp *http.Response) error {
	switch {
	case resp.StatusCode < 100 || resp.StatusCode > 999:
		return fmt.Errorf("upstream answered with the status %d", resp.StatusCode)
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return checkUpgrade(req, resp)
	}
	for name := range resp.Header {
		if strings.ContainsFunc(name, notToken) {
			return fmt.Errorf("upstream answered with the malformed header name %q", name)
		}
	}
	return nil
}

// checkUpgrade refuses a switch of protocols that was not asked for.
func checkUpgrade(req *http.Request, resp *http.Response) error {
	asked, got := upgrade(req.Header), upgrade(resp.Header)
	if _, ok := resp.Body.(io.ReadWriteCloser); !ok || asked == "" || !strings.EqualFold(asked, got) {
		return errors.New("upstream switched to a protocol that it was not asked for")
	}
	return nil
}

// upgrade returns the protocol to which a head upgrades (RFC 9110, 7.8).
func upgrade(h http.Header) string {
	for token := range strings.SplitSeq(strings.Join(h["Connection"], ","), ",") {
		if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
			return h.Get("Upgrade")
		}
	}
	return ""
}

// notToken reports whether c cannot be a part of a header's name (RFC 9110,
// 5.6.2).
func notToken(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
}

// bodyless reports whether an answer has no body whatever its headers say.
func bodyless(req *http.Request, resp *http.Response) bool {
	return req.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
}

// holds reports whether an answer may be read to its end before any of it is
// passed on.
func (t *Transport) holds(resp *http.Response) bool {
	switch {
	case resp.StatusCode == http.StatusSwitchingProtocols:
		return false
	case t.Policy.Buffer == 0 || resp.ContentLength > int64(t.Policy.Buffer):
		return false
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return media != "text/event-stream"
}

// replaceBody makes held the answer's body. Its length is known now and said,
// unless trailers need the chunked coding.
func (t *Transport) replaceBody(resp *http.Response, held []byte) {
	resp.Body = &heldBody{Reader: bytes.NewReader(held), whole: held, free: func() { t.Memory.release(reserved(held)) }}
	if resp.ContentLength < 0 && len(resp.Trailer) == 0 {
		resp.ContentLength, resp.TransferEncoding = int64(len(held)), nil
		resp.Header.Set("Content-Length", strconv.Itoa(len(held)))
	}
}

// heldBody is an answer's body in memory.
type heldBody struct {
	*bytes.Reader
	whole []byte
	free  func()
	once  sync.Once
}

func (b *heldBody) Close() error {
	b.once.Do(b.free)
	return nil
}

// Held returns the body of an answer of a [Transport] that was read whole before
// the answer was passed on. It must not be changed.
func Held(resp *http.Response) (body []byte, ok bool) {
	if resp.Body == http.NoBody {
		return nil, true
	}
	b, ok := resp.Body.(*heldBody)
	if !ok {
		return nil, false
	}
	return b.whole, true
}
