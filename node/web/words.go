package web

import (
	"encoding/json"
	"net/http"

	"conclave/node/api/words"
)

// wordTable is the table of all doors as the page has it: what is said of each
// state, and under "hint." and its key what can be done about it.
func wordTable() map[string]string {
	t := map[string]string{}
	for key, said := range words.Table() {
		t[key] = said.Words
		if said.Hint != "" {
			t["hint."+key] = said.Hint
		}
	}
	return t
}

// serveWords answers wordTable.
func serveWords() http.HandlerFunc {
	text, err := json.Marshal(wordTable())
	if err != nil {
		panic("web: " + err.Error())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(text)
	}
}
