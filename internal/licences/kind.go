package main

import (
	"regexp"
	"slices"
	"strings"
)

// A mark is what a licence is known by: words that stand in its text.
type mark struct {
	name  string // by https://spdx.org/licenses
	words []string
}

// marks are all that is known. The words of BSD-2-Clause stand in BSD-3-Clause, which
// comes before it.
var marks = []mark{
	{"AGPL-3.0", []string{"GNU AFFERO GENERAL PUBLIC LICENSE"}},
	{"LGPL", []string{"GNU LESSER GENERAL PUBLIC LICENSE"}},
	{"GPL", []string{"GNU GENERAL PUBLIC LICENSE"}},
	{"MPL-2.0", []string{"Mozilla Public License Version 2.0"}},
	{"Apache-2.0", []string{"Apache License Version 2.0, January 2004"}},
	{"Unlicense", []string{"This is free and unencumbered software released into the public domain"}},
	{"BSD-3-Clause", []string{"Redistribution and use in source and binary forms", "Neither the name of"}},
	{"BSD-2-Clause", []string{"Redistribution and use in source and binary forms"}},
	{"ISC", []string{"Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"}},
	{"MIT", []string{"Permission is hereby granted, free of charge, to any person obtaining a copy", "THE SOFTWARE IS PROVIDED \"AS IS\""}},
}

// free are the licences that a binary under Apache-2.0 may contain, if their texts
// come with it.
var free = map[string]bool{"Apache-2.0": true, "Unlicense": true, "BSD-3-Clause": true, "BSD-2-Clause": true, "ISC": true, "MIT": true}

// kindsOf tells which licences a text holds, as that of a module which took in
// another's code; "unknown" if it is none of marks.
func kindsOf(text string) (all []string) {
	text = strings.Join(strings.Fields(text), " ")
	for _, m := range marks {
		absent := func(words string) bool { return !strings.Contains(text, words) }
		if slices.ContainsFunc(m.words, absent) || m.name == "BSD-2-Clause" && slices.Contains(all, "BSD-3-Clause") {
			continue
		}
		all = append(all, m.name)
	}
	if all == nil {
		return []string{"unknown"}
	}
	return all
}

var owner = regexp.MustCompile(`(?mi)^\W*copyright\s+(?:\(c\)|©|\d{4}).*$`)

// ownerOf gives the first line that says whose the work is; empty if there is none, as
// in the plain text of the Apache License.
func ownerOf(text string) string {
	line := strings.Trim(owner.FindString(text), " \t*#/-.")
	if strings.Contains(line, "[yyyy]") {
		return ""
	}
	return strings.Join(strings.Fields(line), " ")
}
