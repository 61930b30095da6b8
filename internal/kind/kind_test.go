package kind

import (
	"errors"
	"strings"
	"testing"
)

type config struct{ A, B int }

var set = Set[int]{
	New("difference", "a - b", config{A: 10}, func(c config) (int, error) { return c.A - c.B, nil }),
	New("sum", "a + b", config{A: 1, B: 2}, func(c config) (int, error) { return c.A + c.B, nil }),
}

func TestBuildStartsFromDefaults(t *testing.T) {
	overB := func(into any) error {
		into.(*config).B = 5
		return nil
	}
	for _, c := range []struct {
		spec Spec
		want int
	}{
		{Spec{Name: "sum"}, 3},
		{Spec{Name: "sum", Decode: overB}, 6},
		{Spec{Name: "sum"}, 3}, // the defaults were not written over
		{Spec{Name: "difference", Decode: overB}, 5},
	} {
		got, err := set.Build(c.spec)
		if err != nil || got != c.want {
			t.Errorf("Build(%s) = %d, %v, want %d", c.spec.Name, got, err, c.want)
		}
	}
}

func TestBuildTellsFaults(t *testing.T) {
	_, err := set.Build(Spec{Name: "product"})
	if err == nil || !strings.Contains(err.Error(), `"product"`) || !strings.Contains(err.Error(), "difference, sum") {
		t.Errorf("an unknown kind: %v, want the name and those known", err)
	}
	_, err = set.Build(Spec{Name: "diference"})
	if want := `unknown kind "diference"; did you mean difference? known: difference, sum`; err == nil || err.Error() != want {
		t.Errorf("a kind spelled wrong: %v, want %s", err, want)
	}
	fault := errors.New("line 3")
	if _, err := set.Build(Spec{Name: "sum", Decode: func(any) error { return fault }}); !errors.Is(err, fault) {
		t.Errorf("a fault in the arguments: %v, want %v", err, fault)
	}
	if !set.Has("sum") || set.Has("product") {
		t.Error("Has is wrong")
	}
}
