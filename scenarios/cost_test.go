package scenarios

import (
	"fmt"
	"strings"
	"testing"
)

// readCost reads small with a cost of its server.
func readCost(t *testing.T, cost string) (*Scenario, string) {
	t.Helper()
	text := change(t, "name: small\n", "name: small\nserver:\n  cost_per_hour: "+cost+"\n")
	s, err := Read("f.yaml", []byte(text), checks())
	if faults := Faults(err); len(faults) > 0 {
		return s, fmt.Sprintf("%d:%d: %s", faults[0].Line, faults[0].Column, faults[0].Text)
	}
	return s, ""
}

func TestCostPerHour(t *testing.T) {
	for text, want := range map[string]Server{
		"12.50 EUR":  {CostPerHour: 12.5, Currency: "EUR"},
		"3 USD":      {CostPerHour: 3, Currency: "USD"},
		"0.01 €":     {CostPerHour: 0.01, Currency: "€"},
		"4500₩":      {CostPerHour: 4500, Currency: "₩"},
		`" 7.25KZT"`: {CostPerHour: 7.25, Currency: "KZT"},
	} {
		s, fault := readCost(t, text)
		if fault != "" {
			t.Errorf("%s: %s", text, fault)
		} else if s.Server.CostPerHour != want.CostPerHour || s.Server.Currency != want.Currency {
			t.Errorf("%s is %v %q, want %v %q", text, s.Server.CostPerHour, s.Server.Currency, want.CostPerHour, want.Currency)
		}
	}
	for text, want := range map[string]string{
		"0 EUR":                           "server.cost_per_hour is above 0",
		"0.00 €":                          "server.cost_per_hour is above 0",
		"-1 EUR":                          `server.cost_per_hour is an amount with its currency, not the text "-1 EUR"`,
		"EUR":                             `server.cost_per_hour is an amount with its currency, not the text "EUR"`,
		"12,50 EUR":                       `server.cost_per_hour is an amount with its currency, not the text "12,50 EUR"`,
		"12.50 euros":                     `server.cost_per_hour is an amount with its currency, not the text "12.50 euros"`,
		"12.50 eur":                       `server.cost_per_hour is an amount with its currency, not the text "12.50 eur"`,
		`"12.50"`:                         `server.cost_per_hour is an amount with its currency, not the text "12.50"`,
		"12.50":                           "server.cost_per_hour is an amount with its currency, not the number 12.50",
		"[12, EUR]":                       "server.cost_per_hour is an amount with its currency, not a list",
		"1e3 EUR":                         `server.cost_per_hour is an amount with its currency, not the text "1e3 EUR"`,
		strings.Repeat("9", 400) + " EUR": "server.cost_per_hour is too large",
	} {
		if _, fault := readCost(t, text); !strings.Contains(fault, ": "+want) {
			t.Errorf("%s: fault %q, want %q", text, fault, want)
		}
	}
	if s, fault := readCost(t, "12.50 EUR\n  backend: sim\n  allow: [mps]"); fault != "" || s.Server.Currency != "EUR" {
		t.Errorf("beside other keys: %+v, %s", s.Server, fault)
	}
}
