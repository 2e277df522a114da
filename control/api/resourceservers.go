package api

import (
	"fmt"
	"net/http"
	"slices"
)

// The requests about the servers of a service.

func (r resources) servers(req *http.Request) (reply, error) {
	s, err := r.find(req)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusOK, body: append([]Server{}, s.Servers...)}, nil
}

func (r resources) server(req *http.Request) (reply, error) {
	_, c, err := serverIn(req)
	if err != nil {
		return reply{}, err
	}
	s, err := r.find(req)
	if err != nil {
		return reply{}, err
	}
	found := s.server(&c)
	if found == nil {
		return reply{}, ErrNoServer
	}
	return reply{status: http.StatusOK, body: found}, nil
}

// server is the server of s that c names, or nil.
func (s *Service) server(c *ServerConfig) *Server {
	i := slices.IndexFunc(s.Servers, func(r Server) bool { return r.Address == c.Address && r.Port == c.Port })
	if i < 0 {
		return nil
	}
	return &s.Servers[i]
}

// serverIn is the service and the server of the path, with the defaults of a server.
func serverIn(req *http.Request) (k ServiceKey, c ServerConfig, err error) {
	if k, err = ParseService(req.PathValue("service")); err != nil {
		return k, c, err
	}
	c.Weight = defaultWeight
	c.Address, c.Port, err = ParseServer(req.PathValue("server"))
	return k, c, err
}

// serverIs answers with the server that c has made or changed. Where somebody has
// removed it since, it is c: the request was carried out.
func (r resources) serverIs(k ServiceKey, c *ServerConfig, added bool) (reply, error) {
	out := &Server{ServerConfig: *c}
	if s := r.now(k); s != nil {
		if found := s.server(c); found != nil {
			out = found
		}
	}
	if added {
		return reply{http.StatusCreated, "/v1/services/" + k.PathName() + "/servers/" + c.PathName(), out}, nil
	}
	return reply{status: http.StatusOK, body: out}, nil
}

func (r resources) addServer(req *http.Request) (reply, error) {
	k, err := ParseService(req.PathValue("service"))
	if err != nil {
		return reply{}, err
	}
	c := ServerConfig{Weight: defaultWeight}
	if err = decode(req, &c, maxResource); err != nil {
		return reply{}, err
	}
	c.Address = c.Address.Unmap()
	if err = r.edit(req, Edit{Op: AddServer, Service: ServiceConfig{ServiceKey: k}, Server: c}); err != nil {
		return reply{}, err
	}
	return r.serverIs(k, &c, true)
}

func (r resources) putServer(req *http.Request) (reply, error) {
	k, c, err := serverIn(req)
	if err != nil {
		return reply{}, err
	}
	addr, port := c.Address, c.Port
	if err = decode(req, &c, maxResource); err != nil {
		return reply{}, err
	}
	if c.Address.Unmap() != addr || c.Port != port {
		return reply{}, fmt.Errorf("the body is about %s, and the path about %s", HostPort(c.Address, c.Port), HostPort(addr, port))
	}
	c.Address = addr
	change := Edit{Op: EditServer, Service: ServiceConfig{ServiceKey: k}, Server: c}
	add := change
	add.Op = AddServer
	added, err := r.put(req, change, add, ErrNoServer, ErrServerExists)
	if err != nil {
		return reply{}, err
	}
	return r.serverIs(k, &c, added)
}

func (r resources) deleteServer(req *http.Request) (reply, error) {
	k, c, err := serverIn(req)
	if err == nil {
		err = r.edit(req, Edit{Op: DelServer, Service: ServiceConfig{ServiceKey: k}, Server: c})
	}
	return reply{status: http.StatusNoContent}, err
}
