package report

// The kinds of charts.
const (
	ChartLines   = "lines"   // y over x, a line for each series
	ChartScatter = "scatter" // points
	ChartHeat    = "heat"    // how many, by x and y
	ChartBars    = "bars"    // a bar for each name
	ChartCourse  = "course"  // y over time, the warm-up shaded
)

// A Chart is a picture of figures that the Summary holds. Each format that draws charts
// draws it from this and nothing else, so that pictures agree as tables do.
type Chart struct {
	ID    string // stable, lower-case, hyphenated, unique in a Document, and unlike every table's
	Title string
	// Asks is the question that it answers, in one line.
	Asks  string
	Kind  string // one of the Chart constants
	X, Y  Axis
	Notes []string
	// Series are drawn in their order, which is that of the legend; a heat has none.
	Series []Series
	// Limits are drawn across, such as an objective's.
	Limits []Limit
	// Heat is of ChartHeat only.
	Heat *Heat
	// WarmupTo is, of ChartCourse, until which x nothing counts.
	WarmupTo float64
	// Detail says that formats which are read at a glance leave it out.
	Detail bool
}

// An Axis is a chart's.
type Axis struct {
	Name, Unit string
	Log        bool // logarithmic; then every value is above 0
	// Names are those of the places 0, 1, 2 … of an axis of names; nil of numbers.
	Names []string
}

// A Series is one line, or one sort of points or bars.
type Series struct {
	Name   string
	Config string // the configuration that it is of; empty if of several
	Points []Point
	// Right says that it belongs to an axis of its own on the right, which Unit names.
	Right bool
	Unit  string
}

// A Point of a series. Low and High, if they are set, are the ends of the interval of Y.
type Point struct {
	X, Y      float64
	Low, High *float64
	Note      string // what must be read with it: a verdict, a mix
	// Pale says that a bar is not one to choose by: an objective was missed there, or no step
	// is valid. Note says which.
	Pale bool
}

// A Limit is a line across a chart.
type Limit struct {
	Name string
	At   float64
	// Of says on which axis At lies: "x" or "y".
	Of string
}

// A Heat counts by x and y: Counts[i] is how many lay in the cell X[i], Y[i], both indices
// into the bounds of the axes' bins, of which there is one more than bins.
type Heat struct {
	XBounds, YBounds []float64
	X, Y             []int
	Counts           []int64
}

// clean makes every text of a chart safe to print.
func (c *Chart) clean() {
	for _, text := range []*string{&c.Title, &c.Asks, &c.X.Name, &c.X.Unit, &c.Y.Name, &c.Y.Unit} {
		printable(text)
	}
	for _, list := range [][]string{c.Notes, c.X.Names, c.Y.Names} {
		printableAll(list)
	}
	for i := range c.Series {
		s := &c.Series[i]
		for _, text := range []*string{&s.Name, &s.Config, &s.Unit} {
			printable(text)
		}
		for j := range s.Points {
			printable(&s.Points[j].Note)
		}
	}
	for i := range c.Limits {
		printable(&c.Limits[i].Name)
	}
}
