package migparted

import "fmt"

// A Fault is one thing that is wrong with a file, and where.
type Fault struct {
	File         string // as given to Read
	Line, Column int    // from 1
	Text         string // what is wrong, and what would be right; one line
}

// Error gives "file:line:column: text".
func (f *Fault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}
