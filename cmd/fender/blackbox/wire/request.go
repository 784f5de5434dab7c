package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// A Request is what arrived at an upstream.
type Request struct {
	Method, Target, Proto string
	Head                  string      // the bytes up to and with the empty line
	Header                http.Header // of Head, Host among them
	Body                  []byte      // without the chunks' framing
	Trailer               http.Header
	Whole                 bool // the body was read to its end
	Conn                  int  // which connection it came on, counted from 1
	Arrived               time.Time
	Answered              time.Time // just before the answer's first byte was written; zero if none was
}

// errHead is a head that no proxy should ever send.
var errHead = errors.New("malformed request head")

// readHead reads one request's head. It returns io.EOF if the connection ended before its first byte.
func readHead(r *bufio.Reader) (*Request, error) {
	var head bytes.Buffer
	for {
		line, err := r.ReadBytes('\n')
		head.Write(line)
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	return parseHead(head.String())
}

func parseHead(head string) (*Request, error) {
	first, fields, _ := strings.Cut(head, "\r\n")
	parts := strings.Split(first, " ")
	if len(parts) != 3 {
		return nil, errHead
	}
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(fields))).ReadMIMEHeader()
	if err != nil {
		return nil, errHead
	}
	return &Request{
		Method: parts[0], Target: parts[1], Proto: parts[2],
		Head:   head,
		Header: http.Header(header),
	}, nil
}

// readBody reads the body that header announces: chunked goes before a length, and neither means none.
func readBody(r *bufio.Reader, header http.Header) (body []byte, trailer http.Header, err error) {
	if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
		body, err = io.ReadAll(httputil.NewChunkedReader(r))
		if err != nil {
			return body, nil, err
		}
		fields, err := textproto.NewReader(r).ReadMIMEHeader()
		return body, http.Header(fields), err
	}
	length, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil || length == 0 {
		return nil, nil, nil
	}
	var buf bytes.Buffer
	_, err = io.CopyN(&buf, r, int64(length))
	return buf.Bytes(), nil, err
}
