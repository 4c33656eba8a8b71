// Mistify's agent in little: says over HTTP what this host is.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"runtime"
)

type status struct {
	Hostname   string `json:"hostname"`
	Processors int    `json:"processors"`
	KVM        bool   `json:"kvm"`
}

func answer(reply http.ResponseWriter, _ *http.Request) {
	name, err := os.Hostname()
	if err != nil {
		http.Error(reply, err.Error(), http.StatusInternalServerError)
		return
	}
	_, err = os.Stat("/dev/kvm")
	found := status{Hostname: name, Processors: runtime.NumCPU(), KVM: err == nil}
	reply.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(reply).Encode(found); err != nil {
		log.Print(err)
	}
}

func main() {
	listen := flag.String("listen", ":8080", "address to listen on")
	flag.Parse()
	http.HandleFunc("/status", answer)
	log.Fatal(http.ListenAndServe(*listen, nil))
}
