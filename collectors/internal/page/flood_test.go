package page

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/evabench/evabench/collectors"
)

// numbered are n lines with their numbers in them.
func numbered(format string, n int) []byte {
	var page bytes.Buffer
	for i := range n {
		fmt.Fprintf(&page, format, i)
	}
	return page.Bytes()
}

// labelled is a line with n labels.
func labelled(name string, n int) []byte {
	var labels strings.Builder
	for i := range n {
		fmt.Fprintf(&labels, "l%d=\"\",", i)
	}
	return fmt.Appendf(nil, "%s{%s} 1\n", name, labels.String())
}

// The most that a page may have, and one more.
func TestMost(t *testing.T) {
	manyLabels := func(n int) (page []byte) {
		for i := range n / 250 {
			page = append(page, labelled(fmt.Sprint("a", i), 250)...)
		}
		return append(page, labelled("rest", n%250)...)
	}
	for name, page := range map[string]func(more int) []byte{
		"labels in a line": func(more int) []byte { return labelled("a", mostLabels+more) },
		"samples":          func(more int) []byte { return numbered("a{b=\"%d\"} 1\n", mostSamples+more) },
		"types":            func(more int) []byte { return append(numbered("# TYPE a%d gauge\n", mostSamples+more), "a 1\n"...) },
		"labels":           func(more int) []byte { return manyLabels(mostInAll + more) },
	} {
		if _, err := Parse(page(0)); err != nil {
			t.Errorf("%s: as many as may be: %v", name, err)
		}
		_, err := Parse(page(1))
		if !errors.Is(err, collectors.ErrFlood) || !strings.Contains(err.Error(), " "+name+": ") {
			t.Errorf("%s: one more: got %v, want ErrFlood", name, err)
		}
	}
}

// hostileBytes is the most that reading a page may allocate, garbage and all.
const hostileBytes = 160 << 20

// Legal pages of the size that is allowed cost a bounded number of bytes, whether they
// are taken or not, and a line of a million labels no more than it takes to see that.
func TestLegalAndHostile(t *testing.T) {
	full := func(line []byte) []byte { return bytes.Repeat(line, Limit/len(line)) }
	pages := map[string][]byte{
		"short samples":        numbered("a{b=\"%d\"} 1\n", Limit/17),
		"short names":          numbered("a%d 1\n", Limit/11),
		"types":                numbered("# TYPE a%d gauge\n", Limit/23),
		"lines of many labels": full(labelled("a", mostLabels)),
		"a line of labels":     labelled("a", Limit/12),
		"buckets":              append([]byte("# TYPE a histogram\n"), full([]byte("a_bucket{le=\"1\"} 1\n"))...),
		"as many as may be":    numbered("a{b=\"%d\",c=\""+strings.Repeat("x", 120)+"\",d=\"\",e=\"\",f=\"\"} 1\n", mostSamples),
	}
	for name, page := range pages {
		if len(page) > Limit+1000 || len(page) < Limit*3/4 {
			t.Errorf("%s: %d bytes are not the most that may be", name, len(page))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(page)
		runtime.ReadMemStats(&after)
		took := after.TotalAlloc - before.TotalAlloc
		t.Logf("%-20s %4d MiB: %v", name, took>>20, err)
		if took > hostileBytes {
			t.Errorf("%s: %d MiB, at most %d wanted", name, took>>20, hostileBytes>>20)
		}
	}
}
