package kservev2

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/evabench/evabench/loadgen"
	"github.com/evabench/evabench/loadgen/internal/boxes"
	"github.com/evabench/evabench/results"
)

// judged gives what becomes of an answer.
func judged(t *testing.T, c Config, outputs ...made) loadgen.Answer {
	t.Helper()
	d, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, length := answer(outputs...)
	j := &judge{dialer: d.(*dialer), header: []byte(strconv.Itoa(length)), given: true}
	var a loadgen.Answer
	j.Body(uint64(0), body, &a)
	return a
}

// Boxes are read of every type of number, up to the count.
func TestDetections(t *testing.T) {
	config := Default
	config.Check = boxes.Check{MinBoxes: new(2), MaxBoxes: new(2), MinScore: 0.5}
	config.Boxes.Count = "n"
	for name, values := range map[string]any{
		"FP32": []float32{2}, "FP64": []float64{2}, "INT8": []int8{2}, "INT16": []int16{2}, "INT32": []int32{2}, "INT64": []int64{2},
		"UINT8": []uint8{2}, "UINT16": []uint16{2}, "UINT32": []uint32{2}, "UINT64": []uint64{2}, "FP16": []uint16{0x4000}, "BF16": []uint16{0x4000},
	} {
		four := made{"boxes", "FP64", []int64{3, 4}, []float64{0, 0, 1, 1, 2, 2, 3, 3, math.NaN(), 0, 0, 0}}
		a := judged(t, config, made{"n", name, []int64{1, 1}, values}, four,
			made{"labels", "INT64", []int64{3}, []int64{1, 2, -1}}, made{"scores", "FP32", []int64{3}, []float32{0.5, 0.6, 9}})
		if a.Outcome != 0 {
			t.Errorf("count as %s: %v, %s", name, a.Outcome, a.Detail)
		}
	}
	for _, n := range []float32{3, -1, 1.5, float32(math.NaN())} { // of two
		a := judged(t, config, made{"n", "FP32", []int64{1}, []float32{n}}, detections[0], detections[1], detections[2])
		if a.Outcome != results.WrongAnswer || !strings.Contains(a.Detail, "does not count 2 boxes at most") {
			t.Errorf("a count of %v: %v, %s", n, a.Outcome, a.Detail)
		}
	}
	config.Boxes = Boxes{Boxes: "b", Form: "xywh"}
	config.Check = boxes.Check{MaxBoxes: new(1)}
	for _, c := range []struct {
		out  made
		want string
	}{
		{made{"b", "INT32", []int64{4}, []int32{1, 2, 3, 4}}, ""},
		{made{"b", "INT32", []int64{8}, make([]int32, 8)}, "2 boxes, want at most 1"},
		{made{"b", "INT32", []int64{3}, []int32{1, 2, 3}}, "not four for each"},
		{made{"b", "FP16", []int64{4}, make([]int16, 4)}, ""},
		{made{"b", "FP16", []int64{4}, []uint16{0, 0, 0, 0x7c00}}, "no number"},
		{made{"b", "BF16", []int64{4}, []uint16{0, 0, 0, 0x7fc0}}, "no number"},
		{made{"b", "UINT8", []int64{4 * (boxes.MaxBoxes + 1)}, make([]uint8, 4*(boxes.MaxBoxes+1))}, "65537 boxes, 65536 are read at most"},
		{made{"b", "BYTES", []int64{4}, []string{"1", "2", "3", "4"}}, "no number"},
		{made{"b", "FP32", []int64{4}, []float32{0, 0, 0, float32(math.NaN())}}, "no number"},
		{made{"c", "FP32", []int64{4}, make([]float32, 4)}, `no output "b"`},
	} {
		if a := judged(t, config, c.out); (a.Outcome == 0) != (c.want == "") || !strings.Contains(a.Detail, c.want) {
			t.Errorf("%v: %v, %q; want %q", c.out, a.Outcome, a.Detail, c.want)
		}
	}
}

func TestHalves(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		datatype string
		bits     uint16
		want     float64
	}{
		{"FP16", 0x3c00, 1}, {"FP16", 0xc000, -2}, {"FP16", 0x3555, 0.333251953125}, {"FP16", 0x7bff, 65504}, {"FP16", 0x0400, 0x1p-14},
		{"FP16", 0x0001, 0x1p-24}, {"FP16", 0x83ff, -1023 * 0x1p-24}, {"FP16", 0, 0}, {"FP16", 0x7c00, inf}, {"FP16", 0xfc00, -inf}, {"FP16", 0x7e00, nan},
		{"BF16", 0x3f80, 1}, {"BF16", 0xc000, -2}, {"BF16", 0x3eab, 0.333984375}, {"BF16", 0x7f80, inf}, {"BF16", 0x7fc0, nan}, {"BF16", 0, 0},
	} {
		got, ok := numberOf([]byte(c.datatype), binary.LittleEndian.AppendUint16(nil, c.bits))
		if !ok || got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s %#04x is %v, %v; want %v", c.datatype, c.bits, got, ok, c.want)
		}
	}
}

// One large answer leaves nothing behind, and there are only so many outputs.
func TestAnswerIsBounded(t *testing.T) {
	config := Default
	config.Check = boxes.Check{MaxBoxes: new(0)}
	config.Boxes = Boxes{Boxes: "b", Form: "xyxy"}
	d, err := New(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range map[int]string{1024: "no output", 1025: "more than 1024 outputs"} {
		all := make([]made, n)
		for i := range all {
			all[i] = made{"a", "UINT8", []int64{0}, []uint8{}}
		}
		if a := judged(t, config, all...); !strings.Contains(a.Detail, want) {
			t.Errorf("%d outputs: %v, %q; want %q", n, a.Outcome, a.Detail, want)
		}
	}
	body, length := answer(made{"b", "UINT8", []int64{1, 60_000, 4}, make([]uint8, 240_000)})
	j := &judge{dialer: d.(*dialer), header: []byte(strconv.Itoa(length)), given: true}
	var a loadgen.Answer
	if j.Body(uint64(0), body, &a); !strings.Contains(a.Detail, "60000 boxes") {
		t.Errorf("%+v", a)
	}
	if cap(j.found) > 4096 || len(j.outputs) > 0 || j.outputs[:1][0].binary != nil {
		t.Errorf("%d boxes and outputs %v are kept", cap(j.found), j.outputs[:1])
	}
}
