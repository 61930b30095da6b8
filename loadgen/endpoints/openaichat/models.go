package openaichat

import (
	"context"
	"strings"
)

// Page is the list of the server's models.
func (e endpoint) Page() string { return e.URL(e.dialer.models()) }

// models is the list's path: beside that of the requests (OpenAI API reference, Models).
func (d *dialer) models() string {
	if before, ok := strings.CutSuffix(d.config.Path, "/chat/completions"); ok {
		return before + "/models"
	}
	return "/v1/models"
}

// Models reads that page.
func (e endpoint) Models(ctx context.Context) (page string, names []string, err error) {
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	page = e.Page()
	if err := e.Get(ctx, page, e.dialer.fields, &list); err != nil {
		return page, nil, err
	}
	for _, m := range list.Data {
		names = append(names, m.ID)
	}
	return page, names, nil
}
