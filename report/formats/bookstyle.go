package formats

import "github.com/xuri/excelize/v2"

// fontFamily is that of a new workbook; a font that names none is another one.
const fontFamily = "Calibri"

// bookStyles are the styles of cells, by what they are for.
type bookStyles struct {
	title    int
	banner   int
	part     int // headings of parts
	header   int
	headerAt int            // of numbers: on their side
	wrapped  int            // texts of more than one line
	inset    int            // texts beside a column of numbers
	right    int            // texts in one
	headerIn int            // of texts beside numbers
	asks     int            // questions
	says     int            // their answers
	doubts   int            // those that are not sure
	formats  map[string]int // by number format
	verdict  map[string]int // by the colour behind
}

func (b *book) makeStyles() error {
	var err error
	if b.title, err = b.file.NewStyle(&excelize.Style{
		Font: &excelize.Font{Family: fontFamily, Bold: true, Size: 13}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"},
	}); err != nil {
		return err
	}
	if b.banner, err = b.file.NewStyle(&excelize.Style{
		Font: &excelize.Font{Family: fontFamily, Bold: true, Color: "FFFFFF"}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"B00020"}},
		Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"},
	}); err != nil {
		return err
	}
	header := excelize.Style{
		Font: &excelize.Font{Family: fontFamily, Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"DDE3EA"}},
		Border:    []excelize.Border{{Type: "bottom", Color: "000000", Style: 1}},
		Alignment: &excelize.Alignment{WrapText: true},
	}
	if b.header, err = b.file.NewStyle(&header); err != nil {
		return err
	}
	header.Alignment = &excelize.Alignment{Horizontal: "right", WrapText: true}
	if b.headerAt, err = b.file.NewStyle(&header); err != nil {
		return err
	}
	header.Alignment = &excelize.Alignment{Horizontal: "left", Indent: 1, WrapText: true}
	if b.headerIn, err = b.file.NewStyle(&header); err != nil {
		return err
	}
	if b.inset, err = b.file.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{Horizontal: "left", Indent: 1, Vertical: "top", WrapText: true}}); err != nil {
		return err
	}
	if b.right, err = b.file.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}}); err != nil {
		return err
	}
	b.formats, b.verdict = map[string]int{}, map[string]int{}
	if b.wrapped, err = b.file.NewStyle(&excelize.Style{Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}); err != nil {
		return err
	}
	return b.makeAnswerStyles()
}

// makeAnswerStyles makes those that the first sheet's answers and headings stand in.
func (b *book) makeAnswerStyles() error {
	top := &excelize.Alignment{WrapText: true, Vertical: "top"}
	for _, s := range []struct {
		style *int
		excelize.Style
	}{
		{&b.part, excelize.Style{
			Font: &excelize.Font{Family: fontFamily, Bold: true, Size: 14, Color: "1F3864"}, Alignment: top, Border: []excelize.Border{{Type: "bottom", Color: "1F3864", Style: 2}},
		}},
		{&b.asks, excelize.Style{Font: &excelize.Font{Family: fontFamily, Size: 10, Color: "595959"}, Alignment: top}},
		{&b.says, excelize.Style{
			Font: b.saysFont(false), Alignment: top, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E8F6F3"}},
		}},
		{&b.doubts, excelize.Style{
			Font: b.saysFont(true), Alignment: top, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"FEF5E7"}},
		}},
	} {
		style, err := b.file.NewStyle(&s.Style)
		if err != nil {
			return err
		}
		*s.style = style
	}
	return nil
}

// saysFont is that of answers, and of those that are in doubt.
func (b *book) saysFont(doubt bool) *excelize.Font {
	colour := "0B5345"
	if doubt {
		colour = "7E5109"
	}
	return &excelize.Font{Family: fontFamily, Bold: true, Size: 16, Color: colour}
}

// format gives the style of a number format, made when it is first asked for.
func (b *book) format(code string) (int, error) {
	if style, ok := b.formats[code]; ok {
		return style, nil
	}
	style, err := b.file.NewStyle(&excelize.Style{CustomNumFmt: &code, Alignment: &excelize.Alignment{Vertical: "top"}})
	if err == nil {
		b.formats[code] = style
	}
	return style, err
}
