// Package units prints quantities: base units in, readable text out. Values
// stay in base units everywhere else; prefixes appear only here.
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Unknown is the text of a quantity that nobody measured. It is never "0".
const Unknown = "unknown"

// Digits is how many significant digits Format prints.
const Digits = 4

// The units that Format knows. Any other unit is printed behind the number as
// it is.
const (
	Seconds   = "s"
	Bytes     = "B"
	Ratio     = "ratio" // 0 to 1, printed in percent
	One       = "1"     // counts and pure numbers, printed bare
	PerSecond = "1/s"
	Requests  = "req/s"
	PerMinute = "req/min"
	Tokens    = "tok/s"
)

// Format writes a value given in a base unit with a fitting prefix and its
// unit: 0.0123 "s" is "12.30 ms", 0.5 "ratio" is "50.00 %". Counts (unit "1")
// and bytes are written as Number does, all else as Measure. NaN and the
// infinities are Unknown.
func Format(value float64, unit string) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Unknown
	}
	switch unit {
	case Seconds:
		scale, prefix := secondsScale(math.Abs(value))
		return Measure(value*scale) + " " + prefix
	case Bytes:
		scale, prefix := bytesScale(math.Abs(value))
		return Number(value/scale) + " " + prefix
	case Ratio:
		return Measure(value*100) + " %"
	case One, "":
		return Number(value)
	default:
		return Measure(value) + " " + unit
	}
}

// FormatOr is Format for a value that may be missing: nil is Unknown.
func FormatOr(value *float64, unit string) string {
	if value == nil {
		return Unknown
	}
	return Format(*value, unit)
}

// Change writes a relative change (0.449 is 44.9 % more) with its sign and one
// digit after the point, as the published tables do.
func Change(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return Unknown
	}
	text := round(ratio*100, 1)
	switch {
	case text == "-0.0" || text == "0.0":
		return "0.0 %"
	case ratio > 0:
		text = "+" + text
	}
	return text + " %"
}

// Number writes a bare number: a whole one in full, any other as Measure does.
// Thousands are set apart by commas: 2287 is "2,287".
func Number(value float64) string {
	if value == math.Trunc(value) && math.Abs(value) < 1e15 {
		return commas(strconv.FormatFloat(value, 'f', 0, 64))
	}
	return Measure(value)
}

// Measure writes a measured number with Digits significant digits: 10 is
// "10.00". No digit before the point is lost: 12345.6 is "12,346". Zero is "0".
func Measure(value float64) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Unknown
	}
	if value == 0 {
		return "0"
	}
	size := math.Abs(value)
	if size < 1e-4 || size >= 1e15 {
		return strconv.FormatFloat(value, 'e', Digits-1, 64)
	}
	decimals := max(Digits-1-int(math.Floor(math.Log10(size))), 0)
	text := round(value, decimals)
	if decimals > 0 && roundedUp(text, decimals) {
		text = round(value, decimals-1)
	}
	return commas(text)
}

// Fixed writes a number with so many digits after the point, thousands apart,
// as a spreadsheet does: 16.125 to two is "16.13".
func Fixed(value float64, decimals int) string {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Unknown
	}
	return commas(round(value, decimals))
}

// Plural writes a number of things, named in the singular: "1 cell", "2 cells".
func Plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "s") {
		one += "e"
	}
	return Number(float64(n)) + " " + one + "s"
}

// round writes a number with so many digits after the point. Halves go away
// from zero, and a half is what has 15 digits of one: spreadsheets do so, and
// the same number must not read otherwise there. (strconv rounds the binary
// number, of which 16.125 is a half that goes to the even 16.12, and 1.005 is
// less than a half.)
func round(value float64, decimals int) string {
	const digits = 15
	sign, size := "", math.Abs(value)
	if value < 0 {
		sign = "-"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(size, 'e', digits-1, 64), "e")
	power, err := strconv.Atoi(exponent)
	kept := power + 1 + decimals // digits that stay
	if err != nil || kept >= digits {
		return strconv.FormatFloat(value, 'f', decimals, 64)
	}
	all := strings.ReplaceAll(mantissa, ".", "")
	var whole int64 // the number times 10^decimals
	if kept > 0 {
		whole, err = strconv.ParseInt(all[:kept], 10, 64)
	}
	if err != nil {
		return strconv.FormatFloat(value, 'f', decimals, 64)
	}
	if kept >= 0 && all[kept] >= '5' {
		whole++
	}
	if whole == 0 {
		sign = ""
	}
	text := fmt.Sprintf("%0*d", decimals+1, whole)
	if decimals > 0 {
		point := len(text) - decimals
		text = text[:point] + "." + text[point:]
	}
	return sign + text
}

// roundedUp reports whether rounding gave one digit more than asked for:
// 9.9999 to three decimals is "10.000", and should be "10.00".
func roundedUp(text string, decimals int) bool {
	digits := strings.TrimLeft(strings.TrimPrefix(text, "-"), "0.")
	digits = strings.ReplaceAll(digits, ".", "")
	return decimals > 0 && len(digits) > Digits
}

func secondsScale(size float64) (float64, string) {
	switch {
	case size == 0 || size >= 1:
		return 1, "s"
	case size >= 1e-3:
		return 1e3, "ms"
	case size >= 1e-6:
		return 1e6, "µs"
	default:
		return 1e9, "ns"
	}
}

func bytesScale(size float64) (float64, string) {
	switch {
	case size >= 1<<40:
		return 1 << 40, "TiB"
	case size >= 1<<30:
		return 1 << 30, "GiB"
	case size >= 1<<20:
		return 1 << 20, "MiB"
	case size >= 1<<10:
		return 1 << 10, "KiB"
	default:
		return 1, "B"
	}
}

// commas sets thousands apart in a decimal number without exponent.
func commas(text string) string {
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	whole, fraction, point := strings.Cut(text, ".")
	var b strings.Builder
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if point {
		return sign + b.String() + "." + fraction
	}
	if b.String() == "0" {
		sign = ""
	}
	return sign + b.String()
}
