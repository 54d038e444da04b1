package web

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"time"

	"rsc.io/qr"

	"conclave/node/api"
)

//go:embed page
var files embed.FS

// routes are the page, the sign-in, and the API for who is signed in.
func (d *Door) routes(handler http.Handler) http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic("web: " + err.Error())
	}
	mux := http.NewServeMux()
	mux.Handle("/", readOnly(http.FileServerFS(page)))
	mux.Handle("/words.json", readOnly(serveWords()))
	mux.HandleFunc("POST /session", d.serveSession)
	mux.Handle("POST /qr", d.signedIn(http.HandlerFunc(serveQR)))
	mux.Handle("/v1/", d.signedIn(handler))
	return mux
}

// readOnly serves what nobody changes, in bounded time.
func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			api.Refuse(w, http.StatusMethodNotAllowed, "there is nothing to change here")
			return
		}
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pageWait))
		next.ServeHTTP(w, r)
	})
}

// serveQR draws a text as rows of dark (1) and light (0) squares.
func serveQR(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Text string `json:"text"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&in); err != nil {
		api.Refuse(w, http.StatusBadRequest, "no text to draw")
		return
	}
	code, err := qr.Encode(in.Text, qr.L)
	if err != nil {
		api.Refuse(w, http.StatusBadRequest, "too long to draw")
		return
	}
	rows := make([]string, code.Size)
	for y := range rows {
		row := make([]byte, code.Size)
		for x := range row {
			row[x] = '0'
			if code.Black(x, y) {
				row[x] = '1'
			}
		}
		rows[y] = string(row)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string][]string{"rows": rows})
}
