module example.com/margin-quota

go 1.22
