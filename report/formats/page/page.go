// Package page writes a report.Document as one HTML file that needs nothing
// else: style, scripts, the charting library and every chart's figures are in
// it, and a policy of its own forbids it to ask for anything.
//
// Tables are in the page as markup, so that they can be read, searched and
// printed without scripts; the rows of very long ones are compressed, and unpacked
// when they are opened. Charts are drawn, when they come into view, from JSON that
// stands beside each.
package page

import (
	"crypto/sha256"
	_ "embed" // assets
	"encoding/base64"
	"html/template"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/report"
)

var (
	//go:embed assets/page.html.tmpl
	markup string
	//go:embed assets/page.css
	style string
	//go:embed assets/page.js
	script string
	//go:embed assets/numbers.js
	numbers string
	//go:embed assets/charts.js
	charts string
	//go:embed echarts/echarts.js
	library string
)

var skeleton = template.Must(template.New("page").Parse(markup))

// The hashes by which the policy allows exactly these, and no other, to apply.
var (
	libraryHash = hash(library)
	chartsHash  = hash(numbers + charts)
	scriptHash  = hash(script)
	styleHash   = hash(style)
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Write writes d to w. All texts of d are escaped. The same Document gives the
// same bytes. A document without charts does not carry the charting library.
func Write(w io.Writer, d *report.Document) error {
	v, err := viewOf(d)
	if err != nil {
		return err
	}
	return skeleton.Execute(w, v)
}

// A view is what the skeleton shows.
type view struct {
	*report.Document
	Policy  string
	Style   template.CSS
	Script  template.JS
	Library template.JS // empty without charts
	Charts  template.JS
	Parts   []part
	Facts   []string
	Version string
}

// A part is a section.
type part struct {
	ID, Title      string
	Notes          []string
	Tables, Detail []table
	Charts, Looks  []chart // Looks are those of detail
}

func viewOf(d *report.Document) (view, error) {
	v := view{Document: d, Style: template.CSS(style), Script: template.JS(script)}
	ids := map[string]bool{}
	drawn := 0
	for _, s := range d.Sections {
		p := part{ID: slug(s.Title, ids), Title: s.Title, Notes: s.Notes}
		for _, t := range s.Tables {
			if len(t.Rows) == 0 {
				continue
			}
			made, err := tableOf(t)
			if err != nil {
				return view{}, err
			}
			if t.Detail || made.Packed != "" {
				p.Detail = append(p.Detail, made)
			} else {
				p.Tables = append(p.Tables, made)
			}
		}
		for _, c := range s.Charts {
			made, err := chartOf(c)
			if err != nil {
				return view{}, err
			}
			drawn++
			if c.Detail {
				p.Looks = append(p.Looks, made)
			} else {
				p.Charts = append(p.Charts, made)
			}
		}
		if len(s.Notes)+len(p.Tables)+len(p.Detail)+len(p.Charts)+len(p.Looks) > 0 {
			v.Parts = append(v.Parts, p)
		}
	}
	scripts := scriptHash
	if drawn > 0 {
		v.Library, v.Charts = template.JS(library), template.JS(numbers+charts)
		scripts = libraryHash + " " + chartsHash + " " + scriptHash
	}
	// Note: attributes named style are let through: the charting library writes the
	// fonts of its texts so. They can load nothing under this policy.
	v.Policy = "default-src 'none'; script-src " + scripts + "; style-src " + styleHash +
		"; style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
	if s := d.Summary; s != nil {
		if !s.Environment.Started.IsZero() {
			v.Facts = append(v.Facts, "Run of "+s.Environment.Started.UTC().Format("2006-01-02 15:04 UTC"))
		}
		v.Facts = append(v.Facts, units.Plural(len(s.Cells), "cell"))
		v.Version = s.Environment.Evabench
	}
	return v, nil
}

// slug makes an anchor of a section's title, unlike those before it. No table's
// and no chart's begins as these do.
func slug(title string, taken map[string]bool) string {
	const most = 60
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case b.Len() > most:
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case !strings.HasSuffix(b.String(), "-") && b.Len() > 0:
			b.WriteByte('-')
		}
	}
	id := "section-" + strings.TrimSuffix(b.String(), "-")
	for n := 2; taken[id]; n++ {
		id = "section-" + strings.TrimSuffix(b.String(), "-") + "-" + strconv.Itoa(n)
	}
	taken[id] = true
	return id
}
