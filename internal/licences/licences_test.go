package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestListIsCurrent holds docs/licences.md against the modules that all is built from.
func TestListIsCurrent(t *testing.T) {
	t.Chdir("../..")
	inside, outside, err := modules()
	if err != nil {
		t.Fatal(err)
	}
	if err := refused(inside); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile("docs/licences.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := list(inside, outside); string(got) != want {
		t.Errorf("docs/licences.md is not current; say make licences. It lacks:\n%s", lacking(want, string(got)))
	}
	for _, m := range slices.Concat(inside, outside) {
		if slices.Contains(m.kinds, "unknown") || len(m.kinds) == 0 {
			t.Errorf("%s: the licences %q are not known: %v", m.Path, m.files, m.kinds)
		}
	}
	texts := together(inside)
	for _, m := range inside {
		if !strings.Contains(texts, m.Path+" "+m.Version+": "+m.files[0]) || m.owner != "" && !strings.Contains(strings.Join(strings.Fields(texts), " "), m.owner) {
			t.Errorf("the texts lack that of %s", m.Path)
		}
	}
}

// lacking are the lines of a text that another does not have.
func lacking(text, other string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.Contains(other, line) })
	return strings.Join(lines, "\n")
}

func TestKindsOf(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	bsd := "Copyright (c) 2009\nRedistribution and use in source and binary\nforms, with or without modification, are permitted"
	for text, want := range map[string]string{
		read("../../LICENSE"):               "Apache-2.0",
		bsd:                                 "BSD-2-Clause",
		bsd + " Neither the name of Google": "BSD-3-Clause",
		bsd + " Neither the name of Google" + read("../../LICENSE"):    "Apache-2.0,BSD-3-Clause",
		"GNU GENERAL PUBLIC LICENSE\n Version 3, 29 June 2007":         "GPL",
		"                GNU AFFERO\nGENERAL PUBLIC LICENSE Version 3": "AGPL-3.0",
		"All rights reserved.": "unknown",
		"":                     "unknown",
	} {
		if got := strings.Join(kindsOf(text), ","); got != want {
			t.Errorf("%.60q: %s, want %s", text, got, want)
		}
	}
}

// A module that may not be given away within a binary, or of which that is not known,
// is told.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		kinds []string
		want  bool
	}{{[]string{"MIT"}, false}, {[]string{"MIT", "BSD-3-Clause"}, false}, {nil, true}, {[]string{"unknown"}, true}, {[]string{"MIT", "GPL"}, true}, {[]string{"MPL-2.0"}, true}} {
		if err := refused([]module{{Path: "example.org/m", kinds: c.kinds}}); (err != nil) != c.want {
			t.Errorf("%v: %v, want a fault: %v", c.kinds, err, c.want)
		}
	}
}

func TestOwnerOf(t *testing.T) {
	for text, want := range map[string]string{
		"MIT\n\n  Copyright (c) 2020  A. Author\nmore": "Copyright (c) 2020 A. Author",
		"Copyright [yyyy] [name of copyright owner]":   "",
		"// Copyright 2009 The Go Authors.":            "Copyright 2009 The Go Authors",
		"copyright notice that is included in":         "",
	} {
		if got := ownerOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
