// Command screenshot draws what a terminal shows, as "tmux capture-pane -e -p" tells it on
// standard input, as an SVG on standard output: characters with colours, bold and faint.
package main

import (
	"bufio"
	"cmp"
	"fmt"
	"html"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

func main() {
	title := "a terminal"
	if len(os.Args) > 1 {
		title = os.Args[1]
	}
	if err := draw(os.Stdout, os.Stdin, title); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

// A cell of the picture, and its margin, in pixels.
const wide, high, margin = 8.4, 18.0, 12.0

// The 16 colours of a dark terminal, and its own two.
var palette = [16]string{"#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9",
	"#5c6370", "#ff7b86", "#b5e890", "#ffd68a", "#7cc3ff", "#d7a1e8", "#7fd6df", "#ffffff"}

const ink, paper = "#d8dee9", "#1e222a"

// A style is what SGR sequences have set.
type style struct {
	ink, paper  string
	bold, faint bool
}

// A run is text of one style, at a column.
type run struct {
	style
	at   int
	text string
}

// draw writes the picture. Escape sequences other than SGR are an error: a captured
// screen has none.
func draw(w io.Writer, r io.Reader, title string) error {
	var rows [][]run
	columns := 0
	now := style{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var row []run
		at := 0
		for s := lines.Text(); s != ""; {
			if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
				codes, after, ok := strings.Cut(rest, "m")
				if !ok || strings.Trim(codes, "0123456789;") != "" {
					return fmt.Errorf("row %d: an escape sequence that sets no colours: %q", len(rows)+1, s)
				}
				now.set(codes)
				s = after
				continue
			}
			n := strings.IndexByte(s, 0x1b)
			if n == 0 {
				return fmt.Errorf("row %d: an escape sequence that sets no colours: %q", len(rows)+1, s)
			}
			if n < 0 {
				n = len(s)
			}
			row = append(row, run{now, at, s[:n]})
			at += utf8.RuneCountInString(s[:n])
			s = s[n:]
		}
		columns = max(columns, at)
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if columns == 0 {
		return fmt.Errorf("the screen is empty")
	}
	width, height := float64(columns)*wide+2*margin, float64(len(rows))*high+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img"><title>%s</title>`+"\n", width, height, html.EscapeString(title))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/><g font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="%s">`+"\n", paper, ink)
	for y, row := range rows {
		for _, s := range row {
			s.draw(&b, y)
		}
	}
	b.WriteString("</g></svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// draw writes one run of row y; its width is told, so that any monospaced font fits.
func (r run) draw(b *strings.Builder, y int) {
	n := float64(utf8.RuneCountInString(r.text)) * wide
	x, top := margin+float64(r.at)*wide, margin+float64(y)*high
	if r.paper != "" {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`, x, top, n, high, r.paper)
	}
	if strings.TrimSpace(r.text) == "" {
		return
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" fill="%s"`, x, top+high-4.5, n, cmp.Or(r.ink, ink))
	if r.bold {
		b.WriteString(` font-weight="bold"`)
	}
	if r.faint {
		b.WriteString(` opacity="0.6"`)
	}
	// Browsers run spaces together, whatever xml:space says.
	fmt.Fprintf(b, ">%s</text>\n", strings.ReplaceAll(html.EscapeString(r.text), " ", "\u00a0"))
}

// set follows an SGR sequence (ECMA-48, 8.3.117). What is not drawn, such as an underline,
// is passed over.
func (s *style) set(codes string) {
	all := strings.Split(codes, ";")
	for i := 0; i < len(all); i++ {
		switch n, _ := strconv.Atoi(all[i]); {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 22:
			s.bold, s.faint = false, false
		case n == 7:
			s.ink, s.paper = cmp.Or(s.paper, paper), cmp.Or(s.ink, ink)
		case n >= 30 && n < 38:
			s.ink = palette[n-30]
		case n >= 90 && n < 98:
			s.ink = palette[n-90+8]
		case n >= 40 && n < 48:
			s.paper = palette[n-40]
		case n >= 100 && n < 108:
			s.paper = palette[n-100+8]
		case n == 39:
			s.ink = ""
		case n == 49:
			s.paper = ""
		case n == 38 || n == 48:
			colour, used := extended(all[i+1:])
			if i += used; n == 38 {
				s.ink = colour
			} else {
				s.paper = colour
			}
		}
	}
}

// extended reads 5;N or 2;R;G;B, and says how many codes that took.
func extended(codes []string) (string, int) {
	value := func(i int) int { n, _ := strconv.Atoi(codes[i]); return n & 255 }
	switch {
	case len(codes) >= 2 && codes[0] == "5":
		n := value(1)
		if n < 16 {
			return palette[n], 2
		}
		if n >= 232 {
			g := 8 + 10*(n-232)
			return fmt.Sprintf("#%02x%02x%02x", g, g, g), 2
		}
		level := [6]int{0, 95, 135, 175, 215, 255}
		n -= 16
		return fmt.Sprintf("#%02x%02x%02x", level[n/36], level[n/6%6], level[n%6]), 2
	case len(codes) >= 4 && codes[0] == "2":
		return fmt.Sprintf("#%02x%02x%02x", value(1), value(2), value(3)), 4
	}
	return "", len(codes)
}
