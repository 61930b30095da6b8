package scenarios

import "fmt"

// defaultZone is the indifference zone of a file that names none: a capacity is told to
// 3 % where it is told well.
const defaultZone = 0.03

// The bounds of the indifference zone.
const minZone, maxZone = 0.005, 0.5

// compare reads how configurations are compared.
func (b *builder) compare() {
	zone := b.raw.Compare.V.Zone
	b.s.Zone = or(zone, defaultZone).value()
	if !(b.s.Zone >= minZone && b.s.Zone <= maxZone) {
		b.fault(zone.N, fmt.Sprintf("compare.zone is %s to %s, not %s", percent(minZone), percent(maxZone), percent(b.s.Zone)), "")
	}
}
