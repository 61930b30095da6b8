package analysis

import "strings"

// Room is how much a load may grow before it is another:
//
//	to ÷ from − 1
//
// Both are in one unit. It is unknown if either is, or if from is zero.
func Room(from, to Value) Value {
	for _, side := range []Value{from, to} {
		if !side.Known() {
			return Value{Unit: "ratio", Why: side.Why, Inapplicable: side.Inapplicable}
		}
	}
	if *from.Number == 0 {
		return unknown("ratio", "the load is zero")
	}
	return known(*to.Number / *from.Number - 1, "ratio")
}

// Along is what a rate that was measured at one load is at another on the same ray,
// where all arrivals are open:
//
//	rate · to ÷ from
//
// From and to are in one unit. It is unknown if any is, or if from is zero.
func Along(rate, from, to Value) Value {
	room := Room(from, to)
	switch {
	case !rate.Known():
		return rate
	case !room.Known():
		return Value{Unit: rate.Unit, Why: room.Why, Inapplicable: room.Inapplicable}
	}
	return known(*rate.Number*(*room.Number+1), rate.Unit)
}

// Left is how far a clause's value lies on the right side of its limit:
//
//	1 − value ÷ limit, of an upper limit
//	value ÷ limit − 1, of a lower one
//
// It is below zero where the clause is not met. It is unknown if the value is, and there can
// be none of a limit of zero.
func (c ClauseValue) Left() Value {
	switch {
	case c.Clause.Limit == 0:
		return inapplicable("ratio", "the limit is zero")
	case !c.Value.Known():
		return Value{Unit: "ratio", Why: c.Value.Why, Inapplicable: c.Value.Inapplicable}
	}
	over := *c.Value.Number/c.Clause.Limit - 1
	if strings.HasPrefix(c.Clause.Op, "<") {
		over = -over
	}
	return known(over, "ratio")
}
