package scenarios

import "testing"

// The page's URL is kept as it was told; none is empty.
func TestDCGM(t *testing.T) {
	const url = "http://10.0.0.7:9400/metrics"
	s, err := Read("f.yaml", []byte(change(t, "name: small", "name: small\nserver: {backend: nvidia, gpus: [0]}\ncollect: {dcgm: "+url+"}")), checks())
	if err != nil || s.DCGM != url {
		t.Errorf("got %+v, %v, want %s", s, err, url)
	}
	if s, err = Read("f.yaml", []byte(change(t, "name: small", "name: small")), checks()); err != nil || s.DCGM != "" {
		t.Errorf("without: got %q, %v", s.DCGM, err)
	}
}
