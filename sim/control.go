package sim

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
)

// control is the interface by which instances are started and stopped:
//
//	POST   /instances         startRequest → results.Instance
//	DELETE /instances/{name}
//	POST   /instances/{name}/crash   crashRequest → names of those that ended
//	POST   /instances/{name}/revive  → results.Instance, at the same addresses
//	GET    /counts            → what the model has answered, by instance (counts)
//	GET    /host              → what the host's cores did (hostUse)
//	GET    /activity          → what devices have done, by UUID (activities)
//
// MPS daemons are processes of their own (package mpsfake).
//
// What cannot be done is 409 with the reason as text.
func (s *server) control() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			v, err := f(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
			writeJSON(w, http.StatusOK, v)
		})
	}
	handle("POST /instances", func(r *http.Request) (any, error) {
		var start startRequest
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&start); err != nil {
			return nil, err
		}
		if err := r.Context().Err(); err != nil {
			return nil, err // whoever asked is gone, and may have stopped it already
		}
		return s.launch(start)
	})
	handle("DELETE /instances/{name}", func(r *http.Request) (any, error) {
		return nil, s.stop(r.PathValue("name"))
	})
	handle("POST /instances/{name}/crash", func(r *http.Request) (any, error) {
		var crash crashRequest
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&crash); err != nil {
			return nil, err
		}
		return s.crash(r.PathValue("name"), crash.How)
	})
	handle("POST /instances/{name}/revive", func(r *http.Request) (any, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return s.revive(r.PathValue("name"))
	})
	handle("GET /counts", func(*http.Request) (any, error) { return s.count() })
	handle("GET /host", func(*http.Request) (any, error) { return s.hostUse() })
	handle("GET /activity", func(*http.Request) (any, error) { return s.dcgm.activities() })
	return mux
}

// authorized lets nobody in without the token.
func authorized(token string, h http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			http.Error(w, "the control token is missing or wrong", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
