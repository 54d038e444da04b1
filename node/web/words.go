package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"conclave/node/api/words"
)

// number stands for a number in words that the page fills in.
const number = 7001

// wordTable is what the page calls the node's states: the words of all doors,
// with {n} where a number goes.
func wordTable() map[string]string {
	n := uint64(number)
	t := map[string]string{
		"plain":  words.Sealed(false),
		"sealed": words.Sealed(true),
		"nokey":  words.Key(nil),
		"key":    words.Key(&n),
		"online": words.Online(true),
		"away":   words.Online(false),
		"held":   "held",

		"link.asking":      words.Link(false, number),
		"link.preapproved": words.Link(true, number),
		"delivered.all":    "with everyone that it is for",
		"delivered.some":   "so far with {n} of {of}",

		"towhom.plain":   "PLAIN · anyone relaying can read",
		"towhom.nokey":   "no key yet: what you write waits for one",
		"towhom.sealed":  "sealed for {n}",
		"towhom.missing": "{who}: no key yet",
	}
	add := func(prefix string, say func(string) string, states ...string) {
		for _, s := range states {
			t[prefix+"."+s] = say(s)
		}
	}
	add("marked", words.Marked, "soft", "hard")
	add("join", words.Join, "requested", "joined", "declined")
	add("role", words.Role, "owner", "deputy", "member", "none")
	add("history", words.History, "none", "all")
	add("rotate", words.RotateBy, "any", "deputies", "owner")
	add("invite", words.Line, "pending", "delivered", "accepted", "joined", "declined")
	add("reason", words.Reason, "create", "admitted", "removed", "encryption-on", "age", "messages", "request", "rescue", "cover")
	add("finding", words.Finding, "ok", "wait", "act")
	for k, v := range t {
		t[k] = strings.ReplaceAll(v, strconv.Itoa(number), "{n}")
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
