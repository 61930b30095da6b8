package analysis

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
