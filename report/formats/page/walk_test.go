package page

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/evabench/evabench/report"
)

// unescape gives the anchor that a link's address names.
func unescape(address string) string {
	if plain, err := url.PathUnescape(address); err == nil {
		return plain
	}
	return address
}

func parsed(t *testing.T, page string) *html.Node {
	t.Helper()
	n, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// find lists the elements below n of a name, in the order of the page.
func find(n *html.Node, name string) []*html.Node {
	var list []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && d.Data == name {
			list = append(list, d)
		}
	}
	return list
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// textOf is the text of an element without the marks of notes.
func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data)
		}
		if n.Type == html.ElementNode && n.Data == "sup" {
			return
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(n)
	return strings.TrimSpace(b.String())
}

// valueOf is what scripts take a cell's value for.
func valueOf(t *testing.T, n *html.Node) (float64, bool) {
	t.Helper()
	exact, ok := attribute(n, "data-v")
	if !ok {
		return 0, false
	}
	if exact == "" {
		exact = strings.ReplaceAll(textOf(n), ",", "")
	}
	v, err := strconv.ParseFloat(exact, 64)
	if err != nil {
		t.Fatalf("a cell's value is %q", exact)
	}
	return v, true
}

// Every number of every table, and every text, is in the page as the document has it,
// and every chart's points.
func TestEveryNumber(t *testing.T) {
	for _, name := range []string{"summary.json", "open.json", "sweep.json", "queue.json", "failover.json", ""} {
		d := small()
		if name != "" {
			d = read(t, name)
			d.Sections[0].Charts = everyChart()
		}
		page := parsed(t, written(t, d))
		tables := map[string]*html.Node{}
		for _, n := range find(page, "table") {
			id, _ := attribute(n, "data-id")
			tables[id] = n
		}
		shown, cells := 0, 0
		for _, s := range d.Sections {
			for _, table := range s.Tables {
				if len(table.Rows) == 0 {
					continue
				}
				shown++
				n := tables[table.ID]
				if n == nil {
					t.Errorf("%s: there is no table %s", name, table.ID)
					continue
				}
				cells += sameTable(t, n, table)
			}
			for _, c := range s.Charts {
				sameChart(t, page, c)
			}
		}
		if shown != len(tables) || cells == 0 {
			t.Errorf("%s: %d tables in the page, want %d; %d cells were compared", name, len(tables), shown, cells)
		}
	}
}

// A shown cell is what a reader gets: the text, and the value if it has one.
type shownCell struct {
	text  string
	known bool
	value float64
}

// shownRows gives the rows of a table, unpacked if they are.
func shownRows(t *testing.T, n *html.Node) [][]shownCell {
	t.Helper()
	var rows [][]shownCell
	for _, row := range find(n, "tr")[1:] { // the first is the heading
		var cells []shownCell
		for _, c := range append(find(row, "th"), find(row, "td")...) {
			v, known := valueOf(t, c)
			cells = append(cells, shownCell{textOf(c), known, v})
		}
		rows = append(rows, cells)
	}
	packed, ok := attribute(n, "data-packed")
	if !ok {
		return rows
	}
	z, err := gzip.NewReader(base64.NewDecoder(base64.URLEncoding, strings.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	var list [][]any
	if err := json.NewDecoder(z).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, row := range list {
		var cells []shownCell
		for _, c := range row {
			parts, ok := c.([]any)
			if !ok {
				parts = []any{c, nil, 0.0}
			}
			cell := shownCell{text: parts[0].(string)}
			if exact, ok := parts[1].(string); ok {
				if exact == "" {
					exact = strings.ReplaceAll(cell.text, ",", "")
				}
				cell.known = true
				if cell.value, err = strconv.ParseFloat(exact, 64); err != nil {
					t.Fatal(err)
				}
			}
			cells = append(cells, cell)
		}
		rows = append(rows, cells)
	}
	return rows
}

// sameTable compares, and counts the cells.
func sameTable(t *testing.T, n *html.Node, table report.Table) int {
	t.Helper()
	rows := shownRows(t, n)
	if len(rows) != len(table.Rows) {
		t.Fatalf("table %s: %d rows, want %d", table.ID, len(rows), len(table.Rows))
	}
	seen := 0
	for i, row := range table.Rows {
		if len(rows[i]) != len(row) {
			t.Fatalf("table %s row %d: %d cells, want %d", table.ID, i, len(rows[i]), len(row))
		}
		for j, want := range row {
			seen++
			got := rows[i][j]
			if got.text != strings.TrimSpace(want.Text) || got.known != (want.Value != nil) || got.known && got.value != *want.Value {
				t.Errorf("table %s row %d column %d: %+v, want %+v", table.ID, i, j, got, want)
			}
		}
	}
	return seen
}

// A table of a row too many is packed, and has all its numbers.
func TestLongTablesArePacked(t *testing.T) {
	for _, c := range []struct {
		rows   int
		packed bool
	}{{packedRows, false}, {packedRows + 1, true}} {
		d := small()
		table := &d.Sections[0].Tables[0]
		for len(table.Rows) < c.rows {
			v := 1 / float64(len(table.Rows))
			table.Rows = append(table.Rows, []report.Cell{report.Text("</script>"), {Text: strconv.FormatFloat(v, 'f', 2, 64), Value: &v, Note: "of " + strconv.Itoa(len(table.Rows)%3)}, report.Text("x")})
		}
		page := parsed(t, written(t, d))
		n := find(page, "table")[0]
		if _, ok := attribute(n, "data-packed"); ok != c.packed {
			t.Errorf("%d rows: packed %v, want %v", c.rows, ok, c.packed)
		}
		if got := sameTable(t, n, *table); got != 3*c.rows {
			t.Errorf("%d cells were compared, want %d", got, 3*c.rows)
		}
	}
}

func sameChart(t *testing.T, page *html.Node, c report.Chart) {
	t.Helper()
	for _, figure := range find(page, "figure") {
		if id, _ := attribute(figure, "id"); id != c.ID {
			continue
		}
		var got figures
		if err := json.Unmarshal([]byte(textOf(find(figure, "script")[0])), &got); err != nil {
			t.Fatalf("chart %s: %v", c.ID, err)
		}
		if len(got.Series) != len(c.Series) || (got.Heat != nil) != (c.Heat != nil) {
			t.Fatalf("chart %s: %d series, want %d", c.ID, len(got.Series), len(c.Series))
		}
		for i, s := range c.Series {
			if got.Series[i].X == nil && i > 0 {
				got.Series[i].X = got.Series[i-1].X
			}
			for k, p := range s.Points {
				y := float64(got.Series[i].Y[k])
				if math.IsNaN(p.Y) {
					p.Y = 0 // null leaves the zero
				}
				if y != p.Y || float64(got.Series[i].X[k]) != p.X || p.Low != nil && float64(got.Series[i].Low[k]) != *p.Low {
					t.Errorf("chart %s series %s point %d: %v, want %+v", c.ID, s.Name, k, y, p)
				}
			}
		}
		return
	}
	t.Errorf("there is no chart %s", c.ID)
}

// Whatever a name is, it comes through as text, and adds nothing to the page.
func TestHostileNames(t *testing.T) {
	clean := elements(parsed(t, written(t, hostile("x"))))
	for _, name := range []string{
		"</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", `"><svg onload=alert(1)>`, "' onmouseover='alert(1)", "=cmd|' /C calc'!A0",
		"a|b|c", "\u202eright to left\u202c", "{{.Title}}", "<!--<script>", "]]>", "javascript:alert(1)", "&lt;b&gt;", "비전 \u202e", strings.Repeat("x", 40000), strings.Repeat("word ", 8000),
	} {
		d := hostile(name)
		page := parsed(t, written(t, d))
		if got := elements(page); got != clean {
			t.Errorf("with the name %.40q the page has the elements %s, want %s", name, got, clean)
		}
		for _, table := range find(page, "table") {
			for _, cell := range append(find(table, "td"), find(table, "th")...) {
				if got := textOf(cell); got != strings.TrimSpace(name) {
					t.Errorf("a cell shows %.60q, want %.60q", got, name)
				}
			}
		}
		sameChart(t, page, d.Sections[0].Charts[0])
		var got figures
		for _, figure := range find(page, "figure") {
			if err := json.Unmarshal([]byte(textOf(find(figure, "script")[0])), &got); err != nil {
				t.Fatal(err)
			}
			if got.Series[0].Name != name || got.Series[0].Notes[0] != name || got.Limits[0].Name != name || got.X.Names[0] != name {
				t.Errorf("a chart has other names than %.40q", name)
			}
		}
		for _, n := range append(find(page, "h2"), find(page, "strong")...) {
			if got := textOf(n); !strings.HasPrefix(got, strings.TrimSpace(name)) {
				t.Errorf("%s shows %.60q", n.Data, got)
			}
		}
	}
}

// hostile puts a name wherever a document holds a text.
func hostile(name string) *report.Document {
	v := 1.5
	return &report.Document{
		Title: name, Banner: name, Headline: []report.Answer{{Asks: name, Says: name, Notes: []string{name}}},
		Sections: []report.Section{{
			Title: name, Notes: []string{name},
			Tables: []report.Table{{ID: "t", Title: name, Notes: []string{name}, Columns: []report.Column{{Name: name}, {Name: name}}, Rows: [][]report.Cell{{{Text: name, Note: name}, report.Text(name)}}}},
			Charts: []report.Chart{{
				ID: "c", Title: name, Asks: name, Notes: []string{name}, Kind: report.ChartBars, X: report.Axis{Name: name, Names: []string{name}}, Y: report.Axis{Name: name, Unit: name},
				Series: []report.Series{{Name: name, Config: name, Unit: name, Points: []report.Point{{Y: v, Note: name}}}}, Limits: []report.Limit{{Name: name, At: 1, Of: "y"}},
			}},
		}},
	}
}

// elements lists the names of a page's elements and attributes. That a long text
// scrolls is the one difference that a name may make.
func elements(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type != html.ElementNode {
			continue
		}
		if class, _ := attribute(d, "class"); class == "long" {
			continue
		}
		b.WriteString(" " + d.Data)
		for _, a := range d.Attr {
			b.WriteString("." + a.Key)
		}
	}
	return b.String()
}
