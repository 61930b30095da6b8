package sim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// TestDCGMForm compares lines and their order with the form of dcgm-exporter's
// template, whose own test has gpu, UUID, pci_bus_id, device, modelName,
// GPU_I_*, hostname, labels.
func TestDCGMForm(t *testing.T) {
	b := newDCGMBench(t, dcgmInstance{"1g.24gb-me", 3, []int{1}})
	b.world.Advance(30 * time.Second)
	page, err := b.page()
	must(t, err)
	want := fmt.Sprintf(`# HELP DCGM_FI_PROF_GR_ENGINE_ACTIVE Ratio of time the graphics engine is active.
# TYPE DCGM_FI_PROF_GR_ENGINE_ACTIVE gauge
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",UUID="%[1]s",pci_bus_id="00000000:01:00.0",device="nvidia0",modelName="%[3]s",GPU_I_PROFILE="1g.24gb-me",GPU_I_ID="0",hostname="host-1",DCGM_FI_DRIVER_VERSION="simulated"} 0.000000
DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="1",UUID="%[2]s",pci_bus_id="00000000:02:00.0",device="nvidia1",modelName="%[3]s",hostname="host-1",DCGM_FI_DRIVER_VERSION="simulated"} 0.000000
`, b.gpus[0].UUID, b.gpus[1].UUID, pro6000Name)
	if !strings.Contains(page, want) {
		t.Errorf("the page is\n%s\nwant in it\n%s", page, want)
	}
	if !strings.HasPrefix(page, "# Simulated server bench ") {
		t.Errorf("the page does not begin with what it is:\n%s", page)
	}
	info := parseDCGM(t, page)["evabench_simulated_info"]
	if len(info.GetMetric()) != 1 || !strings.Contains(page, `evabench_simulated_info{server="bench",collect_interval="30s"} 1`) {
		t.Errorf("no evabench_simulated_info in\n%s", page)
	}
	b.host, b.read = "", -1
	if page, err = b.page(); err != nil || strings.Contains(page, "hostname") {
		t.Errorf("without a name the label hostname is not left out: %v\n%s", err, page)
	}
}

// TestDCGMPage: the page of a whole server, with an instance at rest.
func TestDCGMPage(t *testing.T) {
	_, ready := start(t, Options{Instances: true, DCGMInterval: dcgmFinest})
	fetch := func() string {
		resp, err := http.Get(ready.DCGM)
		must(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		if resp.StatusCode != http.StatusOK || resp.Header.Get(Header) != ready.Server ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Fatalf("%s %v\n%s", resp.Status, resp.Header, body)
		}
		return string(body)
	}
	var families map[string]*dto.MetricFamily
	for families["DCGM_FI_PROF_GR_ENGINE_ACTIVE"] == nil && t.Context().Err() == nil { // the first interval
		families = parseDCGM(t, fetch())
	}
	engine, used := families["DCGM_FI_PROF_GR_ENGINE_ACTIVE"].GetMetric(), families["DCGM_FI_DEV_FB_USED"].GetMetric()
	if len(engine) != 1 || engine[0].GetGauge().GetValue() != 0 {
		t.Errorf("GR_ENGINE_ACTIVE of a server at rest: %v, want one 0", engine)
	}
	if len(used) != 1 || used[0].GetGauge().GetValue() < 1024 {
		t.Errorf("FB_USED with two instances: %v, want one line over 1 GiB", used)
	}
}

func TestDCGMInterval(t *testing.T) {
	err := Serve(t.Context(), "pro6000x1", Options{Dir: t.TempDir(), Token: "x", DCGMInterval: dcgmFinest - 1})
	if err == nil || !strings.Contains(err.Error(), "every 100ms at most") {
		t.Errorf("an interval of %v gave %v", dcgmFinest-1, err)
	}
}
