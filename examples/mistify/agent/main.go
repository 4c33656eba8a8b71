// Mistify's agent in little: says over HTTP what this host is and which guests it runs, and starts and stops them.
//
//	GET    /status        the host
//	GET    /guests        the guests that libvirt knows
//	POST   /guests        start the guest that the body describes (libvirt's domain XML); from this host only
//	DELETE /guests/NAME   stop a guest; from this host only
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

const (
	longest = 64 << 10 // bytes of a description
	patient = 60 * time.Second
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

type status struct {
	Hostname   string `json:"hostname"`
	Processors int    `json:"processors"`
	Memory     uint64 `json:"memory_kib"`
	KVM        bool   `json:"kvm"`
	Libvirt    string `json:"libvirt"`
	Guests     int    `json:"guests"`
}

type guest struct {
	Name  string `json:"name"`
	State string `json:"state"`
}

// virsh asks libvirt; the words are its own, never a shell's.
func virsh(input io.Reader, words ...string) (string, error) {
	command := exec.Command("virsh", append([]string{"--quiet", "--connect", "qemu:///system"}, words...)...)
	command.Stdin = input
	var said, wrong bytes.Buffer
	command.Stdout, command.Stderr = &said, &wrong
	if err := command.Start(); err != nil {
		return "", err
	}
	late := time.AfterFunc(patient, func() { _ = command.Process.Kill() })
	defer late.Stop()
	if err := command.Wait(); err != nil {
		return strings.TrimSpace(wrong.String()), err
	}
	return strings.TrimSpace(said.String()), nil
}

func guests() ([]guest, error) {
	names, err := virsh(nil, "list", "--all", "--name")
	if err != nil {
		return nil, err
	}
	found := []guest{}
	for _, name := range strings.Fields(names) {
		state, err := virsh(nil, "domstate", name)
		if err == nil { // else it went meanwhile
			found = append(found, guest{Name: name, State: state})
		}
	}
	return found, nil
}

func memory() uint64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kib uint64
	for _, digit := range strings.Fields(string(text))[1] {
		kib = kib*10 + uint64(digit-'0')
	}
	return kib
}

func reply(to http.ResponseWriter, code int, found any) {
	to.Header().Set("Content-Type", "application/json")
	to.WriteHeader(code)
	if err := json.NewEncoder(to).Encode(found); err != nil {
		log.Print(err)
	}
}

func wrong(to http.ResponseWriter, code int, text string) {
	reply(to, code, map[string]string{"error": text})
}

func host(to http.ResponseWriter, _ *http.Request) {
	name, err := os.Hostname()
	if err != nil {
		wrong(to, http.StatusInternalServerError, err.Error())
		return
	}
	_, err = os.Stat("/dev/kvm")
	found := status{Hostname: name, Processors: runtime.NumCPU(), Memory: memory(), KVM: err == nil}
	if version, err := virsh(nil, "version", "--daemon"); err == nil {
		lines := strings.Split(version, "\n")
		found.Libvirt = lines[len(lines)-1]
	}
	if running, err := guests(); err == nil {
		found.Guests = len(running)
	}
	reply(to, http.StatusOK, found)
}

func list(to http.ResponseWriter, _ *http.Request) {
	found, err := guests()
	if err != nil {
		wrong(to, http.StatusServiceUnavailable, "libvirt does not answer")
		return
	}
	reply(to, http.StatusOK, found)
}

func start(to http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(to, request.Body, longest))
	if err != nil {
		wrong(to, http.StatusRequestEntityTooLarge, "the description is too long")
		return
	}
	if said, err := virsh(bytes.NewReader(body), "create", "/dev/stdin"); err != nil {
		wrong(to, http.StatusBadRequest, said)
		return
	}
	reply(to, http.StatusCreated, map[string]string{"state": "running"})
}

func stop(to http.ResponseWriter, request *http.Request) {
	name := request.PathValue("name")
	if !plainName.MatchString(name) {
		wrong(to, http.StatusBadRequest, "this is no name of a guest")
		return
	}
	if said, err := virsh(nil, "destroy", name); err != nil {
		wrong(to, http.StatusNotFound, said)
		return
	}
	reply(to, http.StatusOK, map[string]string{"state": "shut off"})
}

// local lets only requests of this host through: they change what runs.
func local(next http.HandlerFunc) http.HandlerFunc {
	return func(to http.ResponseWriter, request *http.Request) {
		address, _, err := net.SplitHostPort(request.RemoteAddr)
		if err != nil || !net.ParseIP(address).IsLoopback() {
			wrong(to, http.StatusForbidden, "only from this host")
			return
		}
		next(to, request)
	}
}

func main() {
	listen := flag.String("listen", ":8080", "address to listen on")
	flag.Parse()
	http.HandleFunc("GET /status", host)
	http.HandleFunc("GET /guests", list)
	http.HandleFunc("POST /guests", local(start))
	http.HandleFunc("DELETE /guests/{name}", local(stop))
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	log.Fatal(server.ListenAndServe())
}
