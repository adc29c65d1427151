"""Mid-treatment MR (gradient map, Ren et al.): tumour and nodes now, and the response of every lesion."""
