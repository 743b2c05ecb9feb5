"""`idroserra sim`: scenarios, fault campaigns and the dosing benchmark."""
