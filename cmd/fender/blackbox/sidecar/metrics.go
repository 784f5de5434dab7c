package sidecar

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A Sample is one line of the metrics page.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Metrics is one scrape.
type Metrics []Sample

// scraper keeps no connection, so that scrapes leave nothing behind in the process they look at.
var scraper = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// Scrape reads the metrics page.
func (p *Process) Scrape(t testing.TB) Metrics {
	t.Helper()
	p.scraping.Lock()
	defer p.scraping.Unlock()
	answer, err := scraper.Get("http://" + p.Metrics + "/metrics")
	if err != nil {
		t.Fatalf("sidecar: %v", err)
	}
	defer answer.Body.Close()
	metrics, err := parse(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("sidecar: metrics: status %d: %v", answer.StatusCode, err)
	}
	return metrics
}

// Sum adds up the samples of this name whose labels have these values: a label and its value in turn.
func (m Metrics) Sum(name string, pairs ...string) float64 {
	var sum float64
	for _, sample := range m.Find(name, pairs...) {
		sum += sample.Value
	}
	return sum
}

// Find returns the samples of this name whose labels have these values: a label and its value in turn.
func (m Metrics) Find(name string, pairs ...string) []Sample {
	var found []Sample
	for _, sample := range m {
		if sample.Name == name && sample.has(pairs) {
			found = append(found, sample)
		}
	}
	return found
}

func (s Sample) has(pairs []string) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		if s.Labels[pairs[i]] != pairs[i+1] {
			return false
		}
	}
	return true
}

// AwaitSum waits until the samples of this name and these labels add up to want: a call is recorded a moment after its
// answer is sent.
func (p *Process) AwaitSum(t testing.TB, want float64, name string, pairs ...string) {
	t.Helper()
	var got float64
	holds := Eventually(func() bool {
		got = p.Scrape(t).Sum(name, pairs...)
		return got == want
	})
	if !holds {
		t.Errorf("got %s%q %v, want %v", name, pairs, got, want)
	}
}

// A Baseline is what a process holds when it is at rest.
type Baseline struct{ goroutines, files float64 }

// Baseline says what the process, which is at rest, holds. It is the most of a few scrapes, for each runs a varying
// number of goroutines that count each other.
func (p *Process) Baseline(t testing.TB) Baseline {
	t.Helper()
	var most Baseline
	for range 8 {
		now := p.holds(t)
		most = Baseline{goroutines: max(most.goroutines, now.goroutines), files: max(most.files, now.files)}
	}
	return most
}

// holds is one look at what the process holds.
func (p *Process) holds(t testing.TB) Baseline {
	t.Helper()
	m := p.Scrape(t)
	return Baseline{goroutines: m.Sum("go_goroutines"), files: m.Sum("process_open_fds")}
}

// AwaitBaseline fails the test unless the process comes to hold no more than it did.
func (p *Process) AwaitBaseline(t testing.TB, want Baseline) {
	t.Helper()
	var got Baseline
	holds := Eventually(func() bool {
		got = p.holds(t)
		return got.goroutines <= want.goroutines && got.files <= want.files
	})
	if !holds {
		t.Errorf("got %v goroutines and %v files at rest, want no more than the %v and %v there were at first",
			got.goroutines, got.files, want.goroutines, want.files)
		p.Signal(t, syscall.SIGQUIT) // it then writes what its goroutines do
		p.Wait(t)
	}
}

// parse reads the text format as far as the suites need it: comments are skipped, timestamps are not expected.
func parse(r io.Reader) (Metrics, error) {
	var metrics Metrics
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		line := scanner.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		sample, err := parseSample(line)
		if err != nil {
			return nil, err
		}
		metrics = append(metrics, sample)
	}
	return metrics, scanner.Err()
}

func parseSample(line string) (Sample, error) {
	series, value, ok := cutLast(line, " ")
	number, err := strconv.ParseFloat(value, 64)
	if !ok || err != nil {
		return Sample{}, fmt.Errorf("no value in %q", line)
	}
	name, labels, ok := strings.Cut(series, "{")
	sample := Sample{Name: name, Labels: make(map[string]string), Value: number}
	if !ok {
		return sample, nil
	}
	for labels != "}" {
		key, rest, ok := strings.Cut(labels, "=")
		quoted, err := strconv.QuotedPrefix(rest)
		if !ok || err != nil {
			return Sample{}, fmt.Errorf("no label in %q", line)
		}
		sample.Labels[key], _ = strconv.Unquote(quoted)
		labels = strings.TrimPrefix(rest[len(quoted):], ",")
	}
	return sample, nil
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return "", text, false
	}
	return text[:i], text[i+len(sep):], true
}
