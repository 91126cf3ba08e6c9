module example.com/context-values

go 1.22
