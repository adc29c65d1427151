"""DICOMweb servers: how they are reached, and what is read of their answers. The client needs the extra `node`."""
