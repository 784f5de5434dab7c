package wire

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// An Answer is what an upstream does with one request. One that has not read the request's body when it returns ends
// the connection.
type Answer func(x *Exchange)

// Reply answers with a whole body and its Content-Length once it has read the request. Fields are "Name: value" lines.
// Nothing of a body is sent to HEAD, nor with a status that has none.
func Reply(status int, body string, fields ...string) Answer {
	return func(x *Exchange) {
		if !x.ReadBody() {
			return
		}
		x.Write(head(status, append(fields, length(status, body)...)...))
		if x.Request.Method != http.MethodHead {
			x.Write(body)
		}
	}
}

// Chunked answers 200 with the parts as chunks and the trailer's "Name: value" lines, and announces their names.
func Chunked(parts, trailer []string, fields ...string) Answer {
	return func(x *Exchange) {
		if !x.ReadBody() {
			return
		}
		fields := append([]string{"Transfer-Encoding: chunked"}, fields...)
		for _, line := range trailer {
			name, _, _ := strings.Cut(line, ":")
			fields = append(fields, "Trailer: "+name)
		}
		x.Write(head(200, fields...))
		for _, part := range parts {
			x.Write(Chunk(part))
		}
		x.Write("0\r\n" + lines(trailer) + "\r\n")
	}
}

// Raw reads the request, sends the bytes as they are and ends the connection.
func Raw(raw string) Answer {
	return func(x *Exchange) {
		if x.ReadBody() {
			x.Write(raw)
			x.Close()
		}
	}
}

// Then reads the request, sends the bytes as they are and keeps silent until the other side has gone.
func Then(raw string) Answer {
	return func(x *Exchange) {
		if x.ReadBody() {
			x.Write(raw)
			x.Gone()
		}
	}
}

// Silent reads the request and never answers.
func Silent() Answer { return Then("") }

// Reset reads the request, sends the bytes as they are and resets the connection.
func Reset(raw string) Answer {
	return func(x *Exchange) {
		if x.ReadBody() {
			x.Write(raw)
			x.Reset()
		}
	}
}

// After answers as another does, d later, unless the other side leaves first.
func After(d time.Duration, answer Answer) Answer {
	return func(x *Exchange) {
		if x.ReadBody() && x.Wait(d) {
			answer(x)
		}
	}
}

// Held answers as another does once the channel is closed, unless the other side leaves first.
func Held(released <-chan struct{}, answer Answer) Answer {
	return func(x *Exchange) {
		if x.ReadBody() && x.WaitFor(released) {
			answer(x)
		}
	}
}

// Chunk frames one chunk of a chunked body.
func Chunk(part string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(part), part) }

// Head is the head of an answer with these "Name: value" lines, and nothing added.
func Head(status int, fields ...string) string { return head(status, fields...) }

func head(status int, fields ...string) string {
	return fmt.Sprintf("HTTP/1.1 %03d %s\r\n%s\r\n", status, http.StatusText(status), lines(fields))
}

func length(status int, body string) []string {
	if status == http.StatusNoContent || status == http.StatusNotModified {
		return nil
	}
	return []string{fmt.Sprintf("Content-Length: %d", len(body))}
}

func lines(fields []string) string {
	var b strings.Builder
	for _, field := range fields {
		b.WriteString(field + "\r\n")
	}
	return b.String()
}
