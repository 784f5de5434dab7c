package demo

import "testing"

func TestNewcomersAreAskedForOnlyIfThereAreAny(t *testing.T) {
	for _, newcomers := range []bool{false, true} {
		asked := make(map[int]bool)
		for n := 1; n <= 15; n++ {
			asked[wanted(n, newcomers)] = true
		}
		for i := range customers {
			if got, want := asked[firstID+i], i < regulars || newcomers; got != want {
				t.Errorf("newcomers %v, customer %d: got asked for %v, want %v", newcomers, firstID+i, got, want)
			}
		}
	}
}
