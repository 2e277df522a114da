package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxResource bounds the body of one service or server, in bytes.
const maxResource = 64 << 10

// Values of a service and a server where the body does not mention them: ipvsadm's.
const (
	defaultScheduler = "wlc"
	defaultWeight    = 1
)

// putTurns is how often a PUT asks whether to add or to change what it names,
// while others add and remove it.
const putTurns = 8

// resources answers for services and servers one by one: what they are comes from
// the viewer, and changes are edits.
type resources struct {
	viewer Viewer
	admin  Admin
}

// routes adds the requests of r.
func (r resources) routes(all map[string]http.HandlerFunc) {
	all["GET /v1/services/{service}"] = answering(r.service)
	all["POST /v1/services"] = answering(r.addService)
	all["PUT /v1/services/{service}"] = answering(r.putService)
	all["DELETE /v1/services/{service}"] = answering(r.deleteService)
	all["GET /v1/services/{service}/servers"] = answering(r.servers)
	all["POST /v1/services/{service}/servers"] = answering(r.addServer)
	all["GET /v1/services/{service}/servers/{server}"] = answering(r.server)
	all["PUT /v1/services/{service}/servers/{server}"] = answering(r.putServer)
	all["DELETE /v1/services/{service}/servers/{server}"] = answering(r.deleteServer)
	all["PUT /v1/timeouts"] = answering(r.putTimeouts)
}

// without takes the requests of resources from all: the director does not support
// them.
func (r resources) without(all map[string]http.HandlerFunc) {
	of := map[string]http.HandlerFunc{}
	r.routes(of)
	for pattern := range of {
		all[pattern] = nil
	}
}

// A reply is the answer to a request that was carried out.
type reply struct {
	status int    // of HTTP
	at     string // the path of what was made; empty: nothing was
	body   any    // nil: none
}

// answering answers with what f gives.
func answering(f func(*http.Request) (reply, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		// A connection without deadlines needs none.
		_ = out.SetReadDeadline(time.Now().Add(readPatience))
		patient(w, reloadPatience) // a reload may be under way
		re, err := f(r)
		_ = out.SetReadDeadline(time.Time{})
		switch {
		case err != nil:
			answer(w, nil, err)
			return
		case re.at != "":
			w.Header().Set("Location", re.at)
		case re.body == nil:
			w.WriteHeader(re.status)
			return
		}
		answerWith(w, re.status, re.body)
	}
}

// decode reads the body of r, at most so many bytes, into v, which has the defaults. A word that v does not
// have is an error, so that a mistake is not taken for a wish.
func decode(r *http.Request, v any, most int64) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, most))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

// edit carries out one edit.
func (r resources) edit(req *http.Request, e Edit) error {
	refused, err := r.admin.Edit(req.Context(), []Edit{e})
	if err != nil {
		return unknownOutcome(err)
	}
	return refused[0]
}

// put changes what is there, or adds it where change says that it is missing. It
// reports whether it was added.
func (r resources) put(req *http.Request, change, add Edit, missing, exists error) (added bool, err error) {
	for range putTurns {
		if err = r.edit(req, change); !errors.Is(err, missing) {
			return false, err
		}
		if err = r.edit(req, add); !errors.Is(err, exists) {
			return true, err
		}
	}
	return false, err
}

// find is the service of the path as it is now.
func (r resources) find(req *http.Request) (*Service, error) {
	k, err := ParseService(req.PathValue("service"))
	if err != nil {
		return nil, err
	}
	s := r.now(k)
	if s == nil {
		return nil, ErrNoService
	}
	return s, nil
}

// now is a service as it is now; nil: there is none.
func (r resources) now(k ServiceKey) *Service {
	s := r.viewer.Service(k)
	if s != nil {
		s.finish()
	}
	return s
}

func (r resources) service(req *http.Request) (reply, error) {
	s, err := r.find(req)
	return reply{status: http.StatusOK, body: s}, err
}

// serviceIs answers with the service that c has made or changed. Where somebody has
// removed it since, it is c, without servers: the request was carried out.
func (r resources) serviceIs(c *ServiceConfig, added bool) (reply, error) {
	s := r.now(c.ServiceKey)
	if s == nil {
		s = &Service{ServiceConfig: *c, Servers: []Server{}}
		s.finish()
	}
	if added {
		return reply{http.StatusCreated, "/v1/services/" + s.PathName(), s}, nil
	}
	return reply{status: http.StatusOK, body: s}, nil
}

func (r resources) addService(req *http.Request) (reply, error) {
	c := ServiceConfig{Scheduler: defaultScheduler}
	if err := decode(req, &c, maxResource); err != nil {
		return reply{}, err
	}
	if err := r.edit(req, Edit{Op: AddService, Service: c}); err != nil {
		return reply{}, err
	}
	return r.serviceIs(&c, true)
}

func (r resources) putService(req *http.Request) (reply, error) {
	k, err := ParseService(req.PathValue("service"))
	if err != nil {
		return reply{}, err
	}
	c := ServiceConfig{Scheduler: defaultScheduler}
	if err = decode(req, &c, maxResource); err != nil {
		return reply{}, err
	}
	if c.ServiceKey != (ServiceKey{}) && c.ServiceKey != k {
		return reply{}, fmt.Errorf("the body is about %s, and the path about %s", c.ServiceKey, k)
	}
	c.ServiceKey = k
	added, err := r.put(req, Edit{Op: EditService, Service: c}, Edit{Op: AddService, Service: c}, ErrNoService, ErrServiceExists)
	if err != nil {
		return reply{}, err
	}
	return r.serviceIs(&c, added)
}

func (r resources) deleteService(req *http.Request) (reply, error) {
	k, err := ParseService(req.PathValue("service"))
	if err == nil {
		err = r.edit(req, Edit{Op: DelService, Service: ServiceConfig{ServiceKey: k}})
	}
	return reply{status: http.StatusNoContent}, err
}

func (r resources) putTimeouts(req *http.Request) (reply, error) {
	var t Timeouts
	if err := decode(req, &t, maxResource); err != nil {
		return reply{}, err
	}
	if err := r.edit(req, Edit{Op: SetTimeouts, Timeouts: t}); err != nil {
		return reply{}, err
	}
	t, err := r.admin.Timeouts(req.Context())
	return reply{status: http.StatusOK, body: t}, err
}
