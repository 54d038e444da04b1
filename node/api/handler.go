package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"conclave/node"
)

// newHandler builds the whole API over n; page opens the page for a browser.
func newHandler(n *node.Node, page OpenPage) http.Handler {
	mux := http.NewServeMux()
	register(mux, n, page)
	return guard(mux)
}

// register puts every route on mux, and the document that lists them.
func register(mux humago.Mux, n *node.Node, page OpenPage) {
	a := humago.New(mux, config())
	a.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(huma.WithValue(ctx, behind{}, n)) })
	registerGroups(a, n)
	registerPeople(a, n)
	registerTalk(a, n)
	registerKeys(a, n)
	registerEvents(a, n)
	registerBackup(a, n)
	registerPage(a, page)
	registerLife(a, n)
	registerEvidence(a, n)
	serveMetrics(mux, a, n)
	serveDocument(mux, a)
}

// behind is the key of a request's context under which the node stands.
type behind struct{}

// config leaves out what huma would add by itself: pages that load from
// elsewhere, schema routes and the $schema field in every body.
func config() huma.Config {
	c := huma.DefaultConfig("conclave", node.Version)
	c.Info.Description = "The local API of a conclave node, on its Unix socket. " +
		"GROUP and PEER references are those of the command line."
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.CreateHooks = nil
	c.Transformers = []huma.Transformer{fromHuma}
	c.RejectUnknownQueryParameters = true
	return c
}

// serveDocument publishes the finished OpenAPI document, itself in it.
func serveDocument(mux humago.Mux, a huma.API) {
	doc := a.OpenAPI()
	describe(a, "/v1/openapi.json", "document", "This document", documentType, &huma.Schema{Type: huma.TypeObject})
	schemas := doc.Components.Schemas.Map()
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} {
		delete(schemas, unused)
	}
	// huma takes a pointer to a struct for a value that is always there.
	gap := schemas["LogLine"].Properties["gap"]
	schemas["LogLine"].Properties["gap"] = &huma.Schema{AnyOf: []*huma.Schema{gap, {Type: "null"}}}
	text, err := json.Marshal(doc)
	if err != nil {
		panic("api: the OpenAPI document does not encode: " + err.Error())
	}
	mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", documentType)
		w.WriteHeader(http.StatusOK)
		w.Write(text)
	})
}

const documentType = "application/openapi+json"

// describe puts a route that is not huma's into the document: a GET without
// input.
func describe(a huma.API, path, id, summary, mediaType string, schema *huma.Schema) {
	op := operation(a, http.MethodGet, path, id, summary)
	op.Responses["200"] = &huma.Response{Description: "OK", Content: map[string]*huma.MediaType{mediaType: {Schema: schema}}}
	a.OpenAPI().AddOperation(&op)
}

// answer is the shape huma wants an operation's result in.
type answer[T any] struct{ Body T }

// handle registers one operation. Its id names it in the document; what
// handler returns becomes the body, and any error a problem.
func handle[I, O any](a huma.API, method, path, id, summary string, handler func(context.Context, *I) (O, error)) {
	huma.Register(a, operation(a, method, path, id, summary), func(ctx context.Context, in *I) (*answer[O], error) {
		position := ctx.Value(behind{}).(*node.Node).Position()
		out, err := handler(ctx, in)
		if err != nil && errors.Is(ctx.Err(), context.Canceled) {
			err = ctx.Err() // the node is stopping, whatever the operation makes of that
		}
		if err != nil {
			return nil, problemOf(err)
		}
		if l, ok := any(&out).(interface{ asOf(uint64) }); ok {
			l.asOf(position)
		}
		return &answer[O]{out}, nil
	})
}

func operation(a huma.API, method, path, id, summary string) huma.Operation {
	schema := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	return huma.Operation{
		OperationID: id,
		Method:      method,
		Path:        path,
		Summary:     summary,
		// guard has read the body by now; huma's own deadline would stay on
		// the connection and end a long wait.
		BodyReadTimeout: -1,
		MaxBodyBytes:    maxBody + 1,
		Parameters: []*huma.Param{{
			Name: timeoutHeader, In: "header", Description: "The longest the operation may take, for example 30s",
			Schema: &huma.Schema{Type: huma.TypeString},
		}, {
			Name: untilHeader, In: "header", Description: "Nothing is done after this time, for example 2026-01-02T15:04:05Z",
			Schema: &huma.Schema{Type: huma.TypeString},
		}},
		Responses: map[string]*huma.Response{"default": {
			Description: "Failure",
			Content:     map[string]*huma.MediaType{problemType: {Schema: schema}},
		}},
	}
}

// nothing is the input of an operation that takes none.
type nothing struct{}

// body is the input of an operation whose arguments all stand in the body.
type body[T any] struct{ Body T }
