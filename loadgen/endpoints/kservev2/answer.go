package kservev2

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/loadgen/internal/httpx"
	"github.com/evabench/evabench/loadgen/internal/jsonscan"
	"github.com/evabench/evabench/results"
)

// An output is one tensor of an answer. Its slices point into the answer.
type output struct {
	name, datatype jsonscan.String
	count          int64 // of elements, the product of the shape
	json           []byte
	size           int64 // of the binary data, -1 if it is JSON
	binary         []byte
}

// A judge looks at answers.
type judge struct {
	dialer *dialer
	header []byte // the field with the length of the JSON
	given  bool   // whether there is such a field

	outputs []output
	found   []boxes.Box
	scratch boxes.Scratch
}

func (j *judge) Head(h httpx.Header) {
	field := h.Field(headerLength)
	j.header, j.given = append(j.header[:0], field...), field != nil
}

// keepBoxes bounds the boxes whose memory is kept for the next answer.
const keepBoxes = 4096

func (j *judge) Body(tag any, body []byte, a *loadgen.Answer) {
	j.judge(tag, body, a)
	clear(j.outputs) // they point into the body
	j.outputs = j.outputs[:0]
	if cap(j.found) > keepBoxes {
		j.found = nil
	}
}

func (j *judge) judge(tag any, body []byte, a *loadgen.Answer) {
	text, tail := body, []byte(nil)
	if j.given {
		n, err := strconv.ParseUint(string(j.header), 10, 31)
		if err != nil || int(n) > len(body) {
			a.Outcome, a.Detail = results.Malformed, fmt.Sprintf("%s is %.32q, the body has %d bytes", headerLength, j.header, len(body))
			return
		}
		text, tail = body[:n], body[n:]
	}
	if wrong := j.read(text); wrong != "" {
		a.Outcome, a.Detail = results.Malformed, wrong
		if fault := errorOf(text); fault != "" {
			a.Outcome, a.Detail = results.HTTP5xx, fault
			if httpx.OutOfMemory(text) {
				a.Outcome = results.OOM
			}
		}
		return
	}
	if wrong := j.share(tail); wrong != "" {
		a.Outcome, a.Detail = results.Malformed, wrong
		return
	}
	for _, name := range j.dialer.config.Outputs {
		if j.output(name) == nil {
			a.Outcome, a.Detail = results.WrongAnswer, fmt.Sprintf("the answer has no output %q", name)
			return
		}
	}
	if j.dialer.rules == nil {
		return
	}
	if wrong := j.boxes(); wrong != "" {
		a.Outcome, a.Detail = results.WrongAnswer, wrong
		return
	}
	a.Outcome, a.Detail = j.dialer.rules.JudgeBoxes(j.found, tag.(uint64), &j.scratch)
}

// maxOutputs bounds the tensors of an answer.
const maxOutputs = 1024

// read reads the JSON of an answer and says what is wrong with it.
func (j *judge) read(text []byte) (wrong string) {
	j.outputs = j.outputs[:0]
	var s jsonscan.Scanner
	s.Reset(text)
	has := false
	if s.Object() {
		for s.Key() {
			if !s.Is("outputs") {
				s.Skip()
				continue
			}
			if has = s.Array(); !has {
				s.Fail()
				break
			}
			for s.Element() {
				if len(j.outputs) == maxOutputs {
					return fmt.Sprintf("the answer has more than %d outputs", maxOutputs)
				}
				j.outputs = append(j.outputs, readOutput(&s))
			}
		}
	}
	if !s.End() || !has {
		return fmt.Sprintf("no inference answer: %.256s", text)
	}
	return ""
}

// maxElements bounds a tensor, so that no size overflows.
const maxElements = 1 << 31

func readOutput(s *jsonscan.Scanner) output {
	o := output{count: -1, size: -1}
	if !s.Object() {
		s.Fail()
		return o
	}
	for s.Key() {
		ok := true
		switch {
		case s.Is("name"):
			o.name, ok = s.String()
		case s.Is("datatype"):
			o.datatype, ok = s.String()
		case s.Is("shape"):
			o.count, ok = readShape(s)
		case s.Is("data"):
			o.json = s.Raw()
		case s.Is("parameters"):
			o.size, ok = readSize(s)
		default:
			s.Skip()
		}
		if !ok {
			s.Fail()
		}
	}
	return o
}

// readShape gives the number of elements.
func readShape(s *jsonscan.Scanner) (count int64, ok bool) {
	if !s.Array() {
		return 0, false
	}
	count = 1
	for s.Element() {
		n, ok := s.Int()
		if !ok || n < 0 || n > maxElements || count*n > maxElements {
			return 0, false
		}
		count *= n
	}
	return count, true
}

// readSize gives the size of the binary data among an output's parameters, -1 if
// it is not there.
func readSize(s *jsonscan.Scanner) (size int64, ok bool) {
	size, ok = -1, true
	if !s.Object() {
		return size, s.Null()
	}
	for s.Key() {
		if !s.Is("binary_data_size") {
			s.Skip()
			continue
		}
		if size, ok = s.Int(); !ok || size < 0 {
			return -1, false
		}
	}
	return size, ok
}

// share gives each output its part of the binary data, and says which tensor has
// not the size that its shape and datatype say.
func (j *judge) share(tail []byte) (wrong string) {
	for i := range j.outputs {
		o := &j.outputs[i]
		width, known := widthOf(o.datatype)
		switch {
		case len(o.name) == 0 || o.count < 0 || !known:
			return fmt.Sprintf("output %q of datatype %q has no name, no shape or no datatype that we know", o.name, o.datatype)
		case (o.json == nil) == (o.size < 0):
			return fmt.Sprintf("output %q has neither data nor a binary_data_size, or both", o.name)
		case o.size > int64(len(tail)):
			return fmt.Sprintf("output %q says it has %d bytes of binary data, %d are left", o.name, o.size, len(tail))
		}
		count := int64(0)
		switch {
		case o.size < 0:
			count = countJSON(o.json)
		case width > 0:
			o.binary, tail = tail[:o.size], tail[o.size:]
			if count = o.size / width; o.size%width != 0 {
				count = -1
			}
		default:
			o.binary, tail = tail[:o.size], tail[o.size:]
			count = countBytes(o.binary)
		}
		if count != o.count {
			return fmt.Sprintf("output %q of datatype %s has a shape of %d elements, its data has not", o.name, o.datatype, o.count)
		}
	}
	if len(tail) > 0 {
		return fmt.Sprintf("%d bytes of binary data belong to no output", len(tail))
	}
	return ""
}

// widths are the bytes of an element; BYTES has none of its own.
var widths = [...]struct {
	name  string
	bytes int64
}{
	{"FP32", 4}, {"INT64", 8}, {"INT32", 4}, {"BYTES", 0}, {"UINT8", 1}, {"FP16", 2}, {"FP64", 8}, {"BF16", 2},
	{"BOOL", 1}, {"INT8", 1}, {"INT16", 2}, {"UINT16", 2}, {"UINT32", 4}, {"UINT64", 8},
}

func widthOf(datatype jsonscan.String) (width int64, ok bool) {
	for i := range widths {
		if datatype.Is(widths[i].name) {
			return widths[i].bytes, true
		}
	}
	return 0, false
}

// countBytes counts the elements of a BYTES tensor, -1 if their lengths do not add
// up.
func countBytes(data []byte) (n int64) {
	for ; len(data) > 0; n++ {
		var ok bool
		if _, data, ok = nextBytes(data); !ok {
			return -1
		}
	}
	return n
}

// nextBytes cuts the first element off a BYTES tensor.
func nextBytes(data []byte) (element, rest []byte, ok bool) {
	if len(data) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(data))
	if data = data[4:]; n > uint64(len(data)) {
		return nil, nil, false
	}
	return data[:n], data[n:], true
}

// countJSON counts the elements of a tensor in JSON, a list or lists of lists.
func countJSON(data []byte) int64 {
	var s jsonscan.Scanner
	s.Reset(data)
	return countLists(&s)
}

func countLists(s *jsonscan.Scanner) (n int64) {
	if !s.Array() {
		s.Skip()
		return 1
	}
	for s.Element() {
		n += countLists(s)
	}
	return n
}

func (j *judge) output(name string) *output {
	for i := range j.outputs {
		if j.outputs[i].name.Is(name) {
			return &j.outputs[i]
		}
	}
	return nil
}
