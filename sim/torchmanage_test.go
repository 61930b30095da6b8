package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// describe asks the management API for the first model.
func describe(t *testing.T, ts *torchServe) torchDescription {
	t.Helper()
	w := call(ts.management(), "GET", "/models/"+ts.models[0].name, "", "")
	var list []torchDescription
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 1 {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return list[0]
}

func TestTorchServeScale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 1, "m")
		for _, test := range []struct {
			method, path string
			code         int
			want         string
			workers      int
		}{
			{"PUT", "/models/m?min_worker=2&max_worker=2&synchronous=true", 200, "Workers scaled to 2 for model: m", 2},
			{"POST", "/models/m?min_worker=3", 405, "MethodNotAllowedException", 2},
			{"PUT", "/models/m?min_worker=3", 202, "Processing worker updates", 3},
			{"PUT", "/models/m?min_worker=1&max_worker=5", 202, "", 3},
			{"PUT", "/models/m?min_worker=2&max_worker=1", 400, "max_worker cannot be less than min_worker.", 3},
			{"PUT", "/models/x?min_worker=1", 404, "ModelNotFoundException", 3},
			{"PUT", "/models/m/7?min_worker=1", 404, "ModelVersionNotFoundException", 3},
			{"DELETE", "/models/m", 405, "MethodNotAllowedException", 3},
			{"PUT", "/models/m?synchronous=true", 200, "scaled to 1", 1}, // the default of both
			{"PUT", "/models/m?min_worker=0&synchronous=true", 200, "scaled to 0", 0},
		} {
			w := call(ts.management(), test.method, test.path, "", "")
			d := describe(t, ts)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || len(d.Workers) != test.workers {
				t.Errorf("%s %s: %d %s and %d workers, want %d …%s… and %d", test.method, test.path,
					w.Code, w.Body, len(d.Workers), test.code, test.want, test.workers)
			}
		}
		w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", string(jpegFrame(t, 16, 16, 1)))
		if w.Code != 503 || !strings.Contains(w.Body.String(), "ServiceUnavailableException") {
			t.Errorf("without workers: %d %s", w.Code, w.Body)
		}
	})
}

// Device memory is asked for and given back by the number of workers that there
// are to be, also while ones that are too many still have a batch; what finds
// none changes nothing.
func TestTorchServeScaleUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ts := virtualTorchServe(t, defaultTorchServe(), 4, "m")
		held, room := 4, 5
		ts.resize = func(workers int, _ *torchModel) error {
			if held+workers > room {
				return errors.New("no memory")
			}
			held += workers
			return nil
		}
		frame := string(jpegFrame(t, 16, 16, 1))
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() { call(ts.inference(), "POST", "/predictions/m", "image/jpeg", frame) })
		}
		synctest.Wait()
		for _, test := range []struct {
			query       string
			code, held  int
			workers     int // with those that are to end
			least, most int
		}{
			{"min_worker=1", 200, 1, 4, 1, 1},
			{"min_worker=2", 200, 2, 4, 2, 2},
			{"min_worker=0", 200, 0, 4, 0, 0},
			{"min_worker=3&max_worker=9", 200, 3, 4, 3, 9},
			{"min_worker=6&max_worker=7", 500, 3, 4, 3, 9},
			{"min_worker=5", 200, 5, 5, 5, 5},
			{"min_worker=1", 200, 1, 4, 1, 1}, // one has nothing to do and ends at once
		} {
			w := call(ts.management(), "PUT", "/models/m?synchronous=true&"+test.query, "", "")
			d := describe(t, ts)
			if w.Code != test.code || held != test.held || len(d.Workers) != test.workers || d.MinWorkers != test.least || d.MaxWorkers != test.most {
				t.Errorf("%s: %d, memory of %d, %d workers, %d to %d; want %+v", test.query, w.Code, held, len(d.Workers), d.MinWorkers, d.MaxWorkers, test)
			}
			if held == 0 { // nobody would ever take it
				if w := call(ts.inference(), "POST", "/predictions/m", "image/jpeg", frame); w.Code != 503 {
					t.Errorf("a request that no worker will take: %d %s", w.Code, w.Body)
				}
			}
		}
		calls.Wait()
		if d := describe(t, ts); len(d.Workers) != 1 || held != 1 {
			t.Errorf("at the end %d workers and memory of %d, want 1", len(d.Workers), held)
		}
	})
}

// Workers take device memory: what does not fit does not start.
func TestTorchServeScaleNeedsMemory(t *testing.T) {
	c, _ := start(t, Options{})
	i, err := c.launch(t.Context(), visionRequest("a", 2))
	if err != nil {
		t.Fatal(err)
	}
	scale := func(n int) int {
		r, err := http.NewRequest("PUT", fmt.Sprintf("%s/models/rt-detrv2?min_worker=%d&synchronous=true", i.Scrapes[0].URL, n), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := send(t, r)
		return resp.StatusCode
	}
	fit := 2
	for code := 200; code == 200; {
		if code = scale(fit + 1); code == 200 && fit < 1000 {
			fit++
		} else if code != 500 || fit < 10 {
			t.Fatalf("%d workers: %d, want 500 when memory is full", fit+1, code)
		}
	}
	if _, err := c.launch(t.Context(), visionRequest("b", 1)); err == nil {
		t.Error("another worker fitted the full card")
	}
	if got := scale(1); got != 200 {
		t.Errorf("back to one: %d", got)
	}
	if _, err := c.launch(t.Context(), visionRequest("b", 1)); err != nil {
		t.Errorf("after the workers went: %v", err)
	}
	if err := c.stop(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if _, err := c.launch(t.Context(), visionRequest("c", fit-1)); err != nil {
		t.Errorf("after the instance went: %v", err)
	}
}

func TestTorchServeModelPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var names []string
		for i := range 150 {
			names = append(names, fmt.Sprintf("m%03d", 149-i))
		}
		ts := virtualTorchServe(t, defaultTorchServe(), 1, names...)
		for _, test := range []struct {
			query, first, next string
			models             int
		}{
			{"", "m000", "100", 100},
			{"?limit=1000", "m000", "100", 100},
			{"?limit=-1", "m000", "100", 100},
			{"?limit=10&next_page_token=100", "m100", "110", 10},
			{"?next_page_token=100", "m100", "", 50},
			{"?limit=50&next_page_token=100", "m100", "150", 50}, // the last page, which names a next one
			{"?next_page_token=150", "", "", 0},
			{"?limit=ten", "m000", "100", 100},
		} {
			var page struct {
				NextPageToken string
				Models        []struct{ ModelName string }
			}
			w := call(ts.management(), "GET", "/models"+test.query, "", "")
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			if len(page.Models) != test.models || page.NextPageToken != test.next || test.models > 0 && page.Models[0].ModelName != test.first {
				t.Errorf("%s: %d models from %v, next %q; want %+v", test.query, len(page.Models), page.Models[:min(1, len(page.Models))], page.NextPageToken, test)
			}
		}
	})
}
