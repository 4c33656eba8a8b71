module mistify.example/agent

go 1.22
