package evabench

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestLinks follows every relative link of every page that people read, anchors too.
func TestLinks(t *testing.T) {
	seen := 0
	for _, file := range pages(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links(string(text)) {
			if why := broken(file, l.to); why != "" {
				t.Errorf("%s:%d: %s: %s", file, l.line, l.to, why)
			}
			seen++
		}
	}
	if seen < 50 {
		t.Errorf("%d links: they are not found any more", seen)
	}
}

// TestLinksAreFollowed: a wrong link is seen, a right one is not.
func TestLinksAreFollowed(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"a.md":   "# One\n\n## Two, and `three`: 4x1g.24gb\n\n## One\n\n    # no title\n",
		"d/b.md": "",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := "[x](../a.md) ![y](b.md#gone) [z](../a.md#two-and-three-4x1g24gb) [u](https://example.org/no)\n\n" +
		"    [in code](no.md)\n```\n[fenced](no.md)\n```\n`[code](no.md)` [v](no.md) [w](../a.md#one-1) [r]\n\n[r]: ../a.md#no-title \"a title\"\n"
	var wrong []string
	for _, l := range links(page) {
		if why := broken("d/b.md", l.to); why != "" {
			wrong = append(wrong, strconv.Itoa(l.line)+" "+l.to)
		}
	}
	want := []string{"1 b.md#gone", "7 no.md", "9 ../a.md#no-title"}
	if !slices.Equal(wrong, want) {
		t.Errorf("got %q, want %q", wrong, want)
	}
}

// pages lists the Markdown that people read: not what tests hold as made.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "bin", "runs", "node_modules"}, name)) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ".md") {
			all = append(all, path)
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

type link struct {
	to   string
	line int
}

var (
	inline    = regexp.MustCompile(`\]\(([^()\s]+)(?:\s+"[^"]*")?\)`)
	reference = regexp.MustCompile(`^\[[^\]]+\]:\s+(\S+)`)
	code      = regexp.MustCompile("`[^`]*`")
)

// links gives the links of a page's prose, not of its code.
func links(text string) []link {
	var all []link
	for n, s := range prose(text) {
		s = code.ReplaceAllString(s, "")
		for _, m := range inline.FindAllStringSubmatch(s, -1) {
			all = append(all, link{m[1], n + 1})
		}
		if m := reference.FindStringSubmatch(s); m != nil {
			all = append(all, link{m[1], n + 1})
		}
	}
	return all
}

// prose gives the lines of a page with those that are code empty.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	fence := ""
	for i, s := range lines {
		trimmed := strings.TrimSpace(s)
		switch {
		case fence != "":
			if strings.HasPrefix(trimmed, fence) {
				fence = ""
			}
			lines[i] = ""
		case strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~"):
			fence, lines[i] = trimmed[:3], ""
		case strings.HasPrefix(s, "    ") || strings.HasPrefix(s, "\t"):
			lines[i] = ""
		}
	}
	return lines
}

// broken says what is wrong with a link of a file; nothing, if it leads somewhere.
// Addresses of the network are not asked.
func broken(file, to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" {
		return ""
	}
	target := file
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(file), filepath.FromSlash(u.Path))
		if _, err := os.Stat(target); err != nil {
			return "no such file"
		}
	}
	if u.Fragment == "" {
		return ""
	}
	text, err := os.ReadFile(target)
	if err != nil {
		return err.Error()
	}
	if !slices.Contains(anchors(string(text)), u.Fragment) {
		return "no such heading in " + target
	}
	return ""
}

var dropped = regexp.MustCompile(`[^\p{L}\p{N}\p{M} _-]`)

// anchors gives the names of a page's headings as GitHub makes them: lower case,
// blanks as dashes, no punctuation, a number after those that come again.
func anchors(text string) []string {
	var all []string
	times := map[string]int{}
	for _, s := range prose(text) {
		title := strings.TrimLeft(s, "#")
		if len(title) == len(s) || !strings.HasPrefix(title, " ") {
			continue
		}
		name := strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-")
		if n := times[name]; n > 0 {
			all = append(all, name+"-"+strconv.Itoa(n))
		} else {
			all = append(all, name)
		}
		times[name]++
	}
	return all
}
