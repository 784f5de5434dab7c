package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// width is how many columns a line may take.
const width = 110

// printer writes lines. It belongs to one goroutine at a time.
type printer struct {
	out    io.Writer
	colour colour
	start  time.Time               // events' times count from here
	failed context.CancelCauseFunc // told if out cannot be written to
}

func (p *printer) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format, args...); err != nil {
		p.failed(err)
	}
}

// heading begins a part, and says in lines of text what it is about.
func (p *printer) heading(title, text string) {
	title = "--- " + title + " "
	rule := strings.Repeat("-", max(0, width-len(title)))
	p.printf("\n%s\n", p.colour.paint(bold, title+rule))
	for line := range strings.Lines(text) {
		p.printf("    %s\n", strings.TrimSpace(line))
	}
	p.printf("\n")
}

func (p *printer) event(e event) {
	p.printf("%6.2fs  %-9s  %s\n", time.Since(p.start).Seconds(), e.who(), e.what(p.colour))
}

// colour says whether there is any.
type colour bool

// The codes of ECMA-48, 8.3.117.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (c colour) paint(code, s string) string {
	if !c {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// colourful reports whether out is a terminal whose user likes colour
// (https://no-color.org).
func colourful(out io.Writer) colour {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
