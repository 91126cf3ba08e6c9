module example.com/close-send

go 1.22
