package credential

import (
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fender-proxy/fender/proxy/config"
)

func TestAFileIsReadAgainWhenItChanges(t *testing.T) {
	bubble(t, "within a second", func(t *testing.T) {
		k := newKeyFile(t, "first")
		k.want("first")
		k.write("second")
		pass(recheck - 1)
		k.want("first")
		pass(1)
		k.want("second")
		k.wantLines(0, "")
	})
	bubble(t, "also in place, to one as long", func(t *testing.T) {
		k := newKeyFile(t, "first")
		k.want("first")
		if err := os.WriteFile(k.path, []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(k.path, time.Time{}, time.Now().Add(-time.Hour)); err != nil { // a file's times are coarse
			t.Fatal(err)
		}
		pass(recheck)
		k.want("other")
	})
	bubble(t, "when it is gone for a while", func(t *testing.T) {
		k := newKeyFile(t, "first")
		k.want("first")
		if err := os.Remove(k.path); err != nil {
			t.Fatal(err)
		}
		pass(recheck)
		k.want("first")
		k.wantLines(1, "no such file")
		k.write("first")
		pass(recheck)
		k.want("first")
		k.wantLines(2, "level=INFO")
	})
	bubble(t, "when it comes late", func(t *testing.T) {
		k := newKeyFile(t, "")
		if err := os.Remove(k.path); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if got, _, err := k.get(); err == nil || got != "" {
				t.Errorf("got %q, %v, want an error", got, err)
			}
		}
		k.wantLines(1, "no such file")
		k.write("late")
		pass(recheck)
		k.want("late")
	})
	bubble(t, "when a directory takes its place", func(t *testing.T) {
		k := newKeyFile(t, "first")
		k.want("first")
		if err := os.Remove(k.path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(k.path, 0o700); err != nil {
			t.Fatal(err)
		}
		pass(recheck)
		k.want("first")
		k.wantLines(1, "not a regular file")
	})
}

// Kubernetes changes a mounted secret by a swap of the symbolic link ..data.
func TestASwapOfDirectoriesIsAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		mount := func(version, content string) {
			t.Helper()
			for _, err := range []error{
				os.Mkdir(filepath.Join(dir, version), 0o700),
				os.WriteFile(filepath.Join(dir, version, "key"), []byte(content), 0o600),
				os.Chtimes(filepath.Join(dir, version, "key"), time.Time{}, time.Unix(1, 0)), // the same of all
				os.Symlink(version, filepath.Join(dir, "..data_tmp")),
				os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		mount("..1", "first")
		k := &keyFile{t: t, path: filepath.Join(dir, "key"), log: new(logged)}
		if err := os.Symlink(filepath.Join("..data", "key"), k.path); err != nil {
			t.Fatal(err)
		}
		k.Source = New(&config.Auth{APIKey: &config.APIKey{Header: "X-Api-Key", ValueFile: k.path}}, Options{Logger: k.log.logger()})
		k.want("first")
		for i, content := range []string{"other", "third"} {
			mount("..2"+content, content)
			if i == 0 { // the old version goes after the swap
				if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
					t.Fatal(err)
				}
			}
			pass(recheck)
			k.want(content)
		}
		k.wantLines(0, "")
	})
}

// Who has just been refused does not wait for a second to look at the file.
func TestA401ReadsTheFileAtOnce(t *testing.T) {
	bubble(t, "and is replayed if there is another key", func(t *testing.T) {
		k := newKeyFile(t, "first")
		_, grant, _ := k.get()
		k.write("second")
		k.want("first")
		if !grant.Answered(http.StatusUnauthorized, false) {
			t.Error("got no replay, want one")
		}
		k.want("second")
		if !grant.Answered(http.StatusUnauthorized, false) {
			t.Error("got no replay of another call with the first key, want one")
		}
	})
	bubble(t, "and stands otherwise", func(t *testing.T) {
		k := newKeyFile(t, "first")
		_, grant, _ := k.get()
		for _, change := range []func(){func() {}, func() { k.write("first") }, func() { k.write("") }, func() { _ = os.Remove(k.path) }} {
			change()
			if grant.Answered(http.StatusUnauthorized, false) {
				t.Error("got a replay, want none")
			}
			k.want("first")
		}
	})
	bubble(t, "once", func(t *testing.T) {
		k := newKeyFile(t, "first")
		_, grant, _ := k.get()
		k.write("second")
		if grant.Answered(http.StatusUnauthorized, true) {
			t.Error("got a replay after a replay")
		}
	})
	bubble(t, "and nothing else does", func(t *testing.T) {
		k := newKeyFile(t, "first")
		_, grant, _ := k.get()
		k.write("second")
		for _, status := range []int{200, 403, 407, 500} {
			if grant.Answered(status, false) {
				t.Errorf("got a replay after %d", status)
			}
		}
		k.want("first")
	})
}

func TestAFileServesManyAtOnce(t *testing.T) {
	bubble(t, "while it changes", func(t *testing.T) {
		k := newKeyFile(t, "0")
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 100 {
					got, grant, err := k.get()
					if err != nil || len(got) != 1 {
						t.Errorf("got %q, %v", got, err)
						return
					}
					grant.Answered(http.StatusUnauthorized, false)
					<-time.After(100 * time.Millisecond)
				}
			})
		}
		for i := range 9 {
			k.write(string(rune('1' + i)))
			<-time.After(time.Second)
		}
		all.Wait()
		k.want("9")
	})
}
