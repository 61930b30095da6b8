package torchserve

import (
	"context"
	"errors"
	"net"
	"strconv"
)

// Page is the health page (https://pytorch.org/serve/inference_api.html).
func (e endpoint) Page() string { return e.URL("/ping") }

// Models asks the management page, which is at the next port unless somebody moved it,
// without the key: that page has another one (https://pytorch.org/serve/management_api.html).
func (e endpoint) Models(ctx context.Context) (page string, names []string, err error) {
	at := *e.Base
	port, err := strconv.Atoi(at.Port())
	if err != nil || port >= 65535 {
		return "", nil, errors.New("where the management page is, is unknown")
	}
	at.Host = net.JoinHostPort(at.Hostname(), strconv.Itoa(port+1))
	at.Path = "/models"
	var list struct {
		Models []struct {
			Name string `json:"modelName"`
		} `json:"models"`
	}
	page = at.String()
	if err := e.Get(ctx, page, nil, &list); err != nil {
		return page, nil, err
	}
	for _, m := range list.Models {
		names = append(names, m.Name)
	}
	return page, names, nil
}
