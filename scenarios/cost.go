package scenarios

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// price is an amount of money.
type price struct {
	amount   float64
	currency string
}

// pricePattern is an amount and its currency: three capital letters (ISO 4217), or a
// currency's symbol. A comma would be a point to some and nothing to others.
var pricePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Z]{3}|\p{Sc})$`)

const priceHint = "write 12.50 EUR or 12.50 €: an amount with a point, and a currency of three capital letters or a symbol"

func (p *price) decodeNode(d *decoder, n *node, where string) bool {
	if n.form != isScalar {
		return d.fault(n, fmt.Sprintf("%s is an amount with its currency, not %v", where, n), priceHint)
	}
	parts := pricePattern.FindStringSubmatch(strings.TrimSpace(n.text))
	if parts == nil {
		return d.fault(n, fmt.Sprintf("%s is an amount with its currency, not %v", where, n), priceHint)
	}
	amount, err := strconv.ParseFloat(parts[1], 64)
	switch {
	case err != nil:
		return d.fault(n, fmt.Sprintf("%s is too large: %s", where, cut(n.text)), "")
	case amount == 0:
		return d.fault(n, where+" is above 0", "leave it out where it is not known")
	}
	p.amount, p.currency = amount, parts[2]
	return true
}

func (p *price) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^[0-9]+(?:\.[0-9]+)? ?([A-Z]{3}|[^0-9A-Za-z .])$`}
}

// cost reads what an hour of the server costs.
func (b *builder) cost() {
	if told := b.raw.Server.V.Cost; told.OK {
		b.s.Server.CostPerHour, b.s.Server.Currency = told.V.amount, told.V.currency
	}
}
